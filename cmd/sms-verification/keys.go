package main

import (
	"crypto/rand"
	"crypto/sha256"
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
			return usageError{fmt.Errorf("keys: say which: keys new NAME")}
		},
	}
	keys.AddCommand(&cobra.Command{
		Use:   "new NAME",
		Short: "Prints a fresh API key, once, and the line for API_KEYS that admits it",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := "smsv_" + strings.ToLower(rand.Text()+rand.Text()) // 260 bits
			line := fmt.Sprintf("%s:%x", args[0], sha256.Sum256([]byte(key)))
			if _, err := config.Load(config.Source{Set: map[string]string{"DEBUG_MODE": "true", "API_KEYS": line}}); err != nil {
				return usageError{fmt.Errorf("keys new: %w", err)}
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "Key, for the application (shown only now):\n%s\n\nEntry for API_KEYS, beside those that are there:\n%s\n", key, line)
			return err
		},
	})
	return keys
}
