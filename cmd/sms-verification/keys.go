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
		Short: "Creates API keys",
		Args:  usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("keys: use keys new NAME")}
		},
	}
	keys.AddCommand(&cobra.Command{
		Use:   "new NAME",
		Short: "Creates an API key and prints it once, with its entry for API_KEYS",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := "smsv" + strings.ToLower(rand.Text()+rand.Text()) // 260 bits; some HTTP clients reject other characters
			line := fmt.Sprintf("%s:%x", args[0], sha256.Sum256([]byte(key)))
			if _, err := config.Load(config.Source{Set: map[string]string{"DEBUG_MODE": "true", "API_KEYS": line}}); err != nil {
				return usageError{errors.New("keys new: NAME must be 1 to 64 of A-Za-z0-9._-")}
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "API key for the application; it is not shown again:\n%s\n\nAdd this entry to API_KEYS:\n%s\n", key, line)
			return err
		},
	})
	return keys
}
