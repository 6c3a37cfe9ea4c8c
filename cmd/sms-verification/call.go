package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/api/client"
)

// apiKeyVariable names the environment variable with the key for send and verify.
const apiKeyVariable = "SMS_VERIFICATION_API_KEY"

type callFlags struct {
	endpoint string
	json     bool
}

func (f *callFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.endpoint, "endpoint", "http://127.0.0.1:8000", "address of the running service")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the answer as JSON")
	cmd.Long = cmd.Short + ".\n\nThe API key, where the service wants one, is read from " + apiKeyVariable + "."
}

func (f *callFlags) client() (*client.Client, error) {
	c, err := client.New(f.endpoint, client.WithAPIKey(os.Getenv(apiKeyVariable)))
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func sendCommand() *cobra.Command {
	var flags callFlags
	cmd := &cobra.Command{
		Use:     "send AUTH_ID RECIPIENT",
		Short:   "Asks a running service to text a code",
		Example: "  sms-verification send signup-1 12065551234",
		Args:    usage(cobra.ExactArgs(2)),
	}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.client()
		if err != nil {
			return err
		}
		auth, err := c.CreateAuth(cmd.Context(), args[0], args[1])
		if err != nil {
			return flags.explain(cmd.OutOrStdout(), err)
		}
		if flags.json {
			return printJSON(cmd.OutOrStdout(), map[string]any{
				"auth_id": auth.AuthID, "expires_in": int64(auth.ExpiresIn.Seconds()), "attempts_left": auth.AttemptsLeft,
			})
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "Sent. The code is valid for %s and %d wrong tries.\nNext: sms-verification verify %s CODE\n",
			auth.ExpiresIn, auth.AttemptsLeft, auth.AuthID)
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
		Args:    usage(cobra.ExactArgs(2)),
	}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.client()
		if err != nil {
			return err
		}
		if err := c.AuthenticateCode(cmd.Context(), args[0], args[1]); err != nil {
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

// explain says what the service said, to the person at the shell.
func (f *callFlags) explain(out io.Writer, err error) error {
	var answer *client.Error
	if !errors.As(err, &answer) {
		return err
	}
	if f.json {
		body := map[string]any{"status": answer.Status, "reason": answer.Reason, "message": answer.Message}
		if answer.AttemptsLeft >= 0 {
			body["attempts_left"] = answer.AttemptsLeft
		}
		if answer.RetryAfter > 0 {
			body["retry_after"] = int64(answer.RetryAfter.Seconds())
		}
		if err := printJSON(out, body); err != nil {
			return err
		}
	}
	if answer.Reason == client.InvalidAPIUsage {
		return errors.New(answer.Message) // names the argument and the rule
	}
	return err
}

func printJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
