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

// apiKeyVariable is the environment variable with the API key of send and verify.
const apiKeyVariable = "SMS_VERIFICATION_API_KEY"

const defaultEndpoint = "http://127.0.0.1:8000"

// callFlags are the flags of send and verify.
type callFlags struct {
	endpoint string
	profile  string
	json     bool
}

func (f *callFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.endpoint, "endpoint", defaultEndpoint, "URL of the running service")
	cmd.Flags().StringVar(&f.profile, "profile", "", "profile of the service, such as login")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the answer as JSON")
	cmd.Long = cmd.Short + ".\n\nOn a terminal it asks for missing arguments. The API key, if the service needs one, is read from\n" + apiKeyVariable + "."
}

func (f *callFlags) client() (*client.Client, error) {
	c, err := client.New(f.endpoint, client.WithAPIKey(os.Getenv(apiKeyVariable)))
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// command returns the text of a command for the same service and profile.
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
		Short:   "Sends a code through a running service",
		Example: "  sms-verification send signup-1 12065551234\n  sms-verification send --profile login --locale es-MX login-1 12065551234",
	}
	flags.add(cmd)
	locale := cmd.Flags().String("locale", "", "language of the message, such as es-MX")
	person := cmd.Flags().String("client", "", "the person who asks for the code, preferably as an IP address, for the service's CLIENT_LIMITS")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.client()
		if err != nil {
			return err
		}
		args, err = askFor(cmd, args, "AUTH_ID, any name for this verification", "RECIPIENT, 1 and ten digits")
		if err != nil {
			return err
		}
		var options []client.CreateOption
		if flags.profile != "" {
			options = append(options, client.WithProfile(flags.profile))
		}
		if *locale != "" {
			options = append(options, client.WithLocale(*locale))
		}
		if *person != "" {
			options = append(options, client.WithClient(*person))
		}
		auth, err := c.CreateAuth(cmd.Context(), args[0], args[1], options...)
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
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "Sent. The code is valid for %s and allows %d wrong attempts.\nNext: %s %s CODE\n",
			auth.ExpiresIn, auth.AttemptsLeft, next, shellWord(auth.AuthID))
		return err
	}
	return cmd
}

func verifyCommand() *cobra.Command {
	var flags callFlags
	cmd := &cobra.Command{
		Use:     "verify AUTH_ID CODE",
		Short:   "Checks a code with a running service; exit status 1 if it is not right",
		Example: "  sms-verification verify signup-1 0042",
	}
	flags.add(cmd)
	recipient := cmd.Flags().String("recipient", "", "number that the code must have been sent to")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.client()
		if err != nil {
			return err
		}
		args, err = askFor(cmd, args, "AUTH_ID, as given to send", "CODE, from the SMS")
		if err != nil {
			return err
		}
		var options []client.CheckOption
		if flags.profile != "" {
			options = append(options, client.WithProfile(flags.profile))
		}
		if *recipient != "" {
			options = append(options, client.SentTo(*recipient))
		}
		if err := c.AuthenticateCode(cmd.Context(), args[0], args[1], options...); err != nil {
			return flags.explain(cmd.OutOrStdout(), err)
		}
		if flags.json {
			return printJSON(cmd.OutOrStdout(), map[string]any{"auth_id": args[0], "authenticated": true})
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "Right. The code cannot be used again.")
		return err
	}
	return cmd
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`)

// shellWord quotes a text for a shell.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// explain returns err with what to do about it. With --json it also prints the
// answer, or that there was none.
func (f *callFlags) explain(out io.Writer, err error) error {
	answer := &client.Error{Message: err.Error(), AttemptsLeft: -1}
	answered := errors.As(err, &answer)
	if f.json {
		if err := printJSON(out, membersOf(answer)); err != nil {
			return err
		}
	}
	if !answered {
		return fmt.Errorf("%w\nNo answer from %s. Is the service running there? --endpoint names another one; "+
			"DEBUG_MODE=true sms-verification starts one for a trial, without an account", err, f.endpoint)
	}
	if answer.Reason == client.InvalidAPIUsage {
		err = errors.New(answer.Message) // names the argument and the rule
	}
	if next := f.next(answer); next != "" {
		err = fmt.Errorf("%w\n%s", err, next)
	}
	return err
}

// membersOf returns the JSON members of an error answer.
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

// next returns what to do about an error answer, unless its message says that.
func (f *callFlags) next(e *client.Error) string {
	switch e.Reason {
	case client.UnknownAuthID, client.ExpiredAuthCode, client.InvalidAuthCode:
		if e.AttemptsLeft > 0 {
			return ""
		}
		return "Request a new code: " + f.command("send") + " AUTH_ID RECIPIENT"
	case client.Unauthorized:
		return "Set " + apiKeyVariable + " to a key of this service; sms-verification keys new NAME creates one."
	case client.RecipientNotAllowed:
		return "ALLOWED_PREFIXES and BLOCKED_PREFIXES of the service say which numbers are allowed."
	case client.ProfileNotAllowed:
		return "Use the key of another caller, or add this key's name to the callers of profile " + f.profile + " in the service's PROFILES."
	case client.InvalidAPIUsage:
		if strings.Contains(e.Message, "profile must be") {
			return "The service's setting PROFILES lists its profiles; --profile names one."
		}
		return ""
	case client.MessageRejected:
		return "Check the number; the service's log has Flowroute's answer."
	case client.InternalError, client.MessageUnconfirmed:
		return "The service's log says more."
	case client.NotFound, client.MethodNotAllowed, "":
		return "Is " + f.endpoint + " this service? --endpoint names another one."
	default:
		return ""
	}
}
