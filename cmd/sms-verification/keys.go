package main

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/config"
)

func keysCommand() *cobra.Command {
	keys := &cobra.Command{
		Use:   "keys",
		Short: "Makes API keys",
		Args:  usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("keys: say which: keys new NAME")}
		},
	}
	keys.AddCommand(&cobra.Command{
		Use:   "new NAME",
		Short: "Prints a fresh API key, once, and the line for API_KEYS that admits it",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := "smsv" + strings.ToLower(rand.Text()+rand.Text()) // 260 bits; some HTTP clients refuse other characters
			line := fmt.Sprintf("%s:%x", args[0], sha256.Sum256([]byte(key)))
			if _, err := config.Load(config.Source{Set: map[string]string{"DEBUG_MODE": "true", "API_KEYS": line}}); err != nil {
				return usageError{errors.New("keys new: NAME must be 1 to 64 of A-Za-z0-9._-")}
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "Key, for the application (shown only now):\n%s\n\nEntry for API_KEYS, beside those that are there:\n%s\n", key, line)
			return err
		},
	})
	return keys
}
