package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/api/client"
)

// apiKeyVariable names the environment variable with the key for send and verify.
const apiKeyVariable = "SMS_VERIFICATION_API_KEY"

const defaultEndpoint = "http://127.0.0.1:8000"

type callFlags struct {
	endpoint string
	profile  string
	json     bool
}

func (f *callFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.endpoint, "endpoint", defaultEndpoint, "address of the running service")
	cmd.Flags().StringVar(&f.profile, "profile", "", "profile of the service, such as login")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the answer as JSON")
	cmd.Long = cmd.Short + ".\n\nOn a terminal it asks for the arguments that are missing. The API key, where the service wants one,\nis read from " + apiKeyVariable + "."
}

func (f *callFlags) client() (*client.Client, error) {
	c, err := client.New(f.endpoint, client.WithAPIKey(os.Getenv(apiKeyVariable)))
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// command returns a command that calls the same service with the same profile.
func (f *callFlags) command(name string) string {
	text := "sms-verification " + name
	if f.endpoint != defaultEndpoint {
		text += " --endpoint " + shellWord(f.endpoint)
	}
	if f.profile != "" {
		text += " --profile " + shellWord(f.profile)
	}
	return text
}

func sendCommand() *cobra.Command {
	var flags callFlags
	cmd := &cobra.Command{
		Use:     "send AUTH_ID RECIPIENT",
		Short:   "Asks a running service to text a code",
		Example: "  sms-verification send signup-1 12065551234\n  sms-verification send --profile login --locale es-MX login-1 12065551234",
	}
	flags.add(cmd)
	locale := cmd.Flags().String("locale", "", "language of the person who reads the message, such as es-MX")
	behind := cmd.Flags().String("client", "", "person behind the request, best by IP address, for the service's CLIENT_LIMITS")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.client()
		if err != nil {
			return err
		}
		args, err = askFor(cmd, args, "AUTH_ID, any name for this verification", "RECIPIENT, 1 and ten digits")
		if err != nil {
			return err
		}
		var wishes []client.CreateOption
		if flags.profile != "" {
			wishes = append(wishes, client.WithProfile(flags.profile))
		}
		if *locale != "" {
			wishes = append(wishes, client.WithLocale(*locale))
		}
		if *behind != "" {
			wishes = append(wishes, client.WithClient(*behind))
		}
		auth, err := c.CreateAuth(cmd.Context(), args[0], args[1], wishes...)
		if err != nil {
			return flags.explain(cmd.OutOrStdout(), err)
		}
		if flags.json {
			return printJSON(cmd.OutOrStdout(), map[string]any{
				"auth_id": auth.AuthID, "expires_in": int64(auth.ExpiresIn.Seconds()), "attempts_left": auth.AttemptsLeft,
				"resend_after": int64(auth.ResendAfter.Seconds()),
			})
		}
		next := flags.command("verify")
		if strings.HasPrefix(auth.AuthID, "-") {
			next += " --"
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "Sent. The code is valid for %s and %d wrong tries.\nNext: %s %s CODE\n",
			auth.ExpiresIn, auth.AttemptsLeft, next, shellWord(auth.AuthID))
		return err
	}
	return cmd
}

func verifyCommand() *cobra.Command {
	var flags callFlags
	cmd := &cobra.Command{
		Use:     "verify AUTH_ID CODE",
		Short:   "Asks a running service whether a code is right; exit status 1 if it is not",
		Example: "  sms-verification verify signup-1 0042",
	}
	flags.add(cmd)
	recipient := cmd.Flags().String("recipient", "", "number that the code must have been sent to")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.client()
		if err != nil {
			return err
		}
		args, err = askFor(cmd, args, "AUTH_ID, as it was sent under", "CODE, from the SMS")
		if err != nil {
			return err
		}
		var demands []client.CheckOption
		if flags.profile != "" {
			demands = append(demands, client.WithProfile(flags.profile))
		}
		if *recipient != "" {
			demands = append(demands, client.SentTo(*recipient))
		}
		if err := c.AuthenticateCode(cmd.Context(), args[0], args[1], demands...); err != nil {
			return flags.explain(cmd.OutOrStdout(), err)
		}
		if flags.json {
			return printJSON(cmd.OutOrStdout(), map[string]any{"auth_id": args[0], "authenticated": true})
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "Right. The code is used up now.")
		return err
	}
	return cmd
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`)

// shellWord writes a text as one word of a shell.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// explain says what the service said, and what to do about it, to the person
// at the shell; as JSON all of it, also that there was no answer.
func (f *callFlags) explain(out io.Writer, err error) error {
	answer := &client.Error{Message: err.Error(), AttemptsLeft: -1}
	answered := errors.As(err, &answer)
	if f.json {
		if err := printJSON(out, membersOf(answer)); err != nil {
			return err
		}
	}
	if !answered {
		return fmt.Errorf("%w\nNo answer from %s. Is the service running there? --endpoint names another; "+
			"DEBUG_MODE=true sms-verification starts one to try, without an account", err, f.endpoint)
	}
	if answer.Reason == client.InvalidAPIUsage {
		err = errors.New(answer.Message) // names the argument and the rule
	}
	if next := f.next(answer); next != "" {
		err = fmt.Errorf("%w\n%s", err, next)
	}
	return err
}

// membersOf an answer that is not the one asked for.
func membersOf(e *client.Error) map[string]any {
	members := map[string]any{"status": e.Status, "reason": e.Reason, "message": e.Message}
	if e.AttemptsLeft >= 0 {
		members["attempts_left"] = e.AttemptsLeft
	}
	if e.RetryAfter > 0 {
		members["retry_after"] = int64(e.RetryAfter.Seconds())
	}
	if e.Limit != "" {
		members["limit"] = e.Limit
	}
	if e.RequestID != "" {
		members["request_id"] = e.RequestID
	}
	return members
}

// next is what to do about a refusal, where its own text does not say it.
func (f *callFlags) next(e *client.Error) string {
	switch e.Reason {
	case client.UnknownAuthID, client.ExpiredAuthCode, client.InvalidAuthCode:
		if e.AttemptsLeft > 0 {
			return ""
		}
		return "Ask for a new code: " + f.command("send") + " AUTH_ID RECIPIENT"
	case client.Unauthorized:
		return "Set " + apiKeyVariable + " to a key of this service; sms-verification keys new makes one."
	case client.RecipientNotAllowed:
		return "ALLOWED_PREFIXES and BLOCKED_PREFIXES of the service say which numbers are."
	case client.ProfileNotAllowed:
		return "Use the key of another caller, or add this key's name to callers of the profile " + f.profile + " in the service's PROFILES."
	case client.InvalidAPIUsage:
		if strings.Contains(e.Message, "profile must be") {
			return "The service's setting PROFILES lists its profiles; --profile names one."
		}
		return ""
	case client.MessageRejected:
		return "Check the number; the service's log has what Flowroute said."
	case client.InternalError, client.MessageUnconfirmed:
		return "The service's log tells more."
	case client.NotFound, client.MethodNotAllowed, "":
		return "Is " + f.endpoint + " this service? --endpoint names another."
	default:
		return ""
	}
}
