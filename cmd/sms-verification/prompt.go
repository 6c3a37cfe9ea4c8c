package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
)

// askFor returns the arguments of a command. On a terminal it asks for missing
// ones by their descriptions; elsewhere they are a usage error. It asks on stderr,
// since stdout is for the result.
func askFor(cmd *cobra.Command, args []string, descriptions ...string) ([]string, error) {
	if len(args) >= len(descriptions) || !app.IsTerminal(cmd.InOrStdin()) {
		return args, exactly(len(descriptions))(cmd, args)
	}
	lines := bufio.NewReader(cmd.InOrStdin())
	for _, description := range descriptions[len(args):] {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: ", description)
		line, err := readLine(cmd.Context(), lines)
		if err != nil {
			return nil, usageError{fmt.Errorf("nothing was entered; write %s", cmd.UseLine())}
		}
		args = append(args, strings.TrimSpace(line))
	}
	return args, nil
}

// readLine reads a line, which must not be blank, until ctx ends.
func readLine(ctx context.Context, from *bufio.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1) // reading a terminal cannot be cancelled, so the goroutine may outlive this call
	go func() {
		line, err := from.ReadString('\n')
		read <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-read:
		if strings.TrimSpace(r.line) == "" {
			return "", io.EOF
		}
		return r.line, r.err
	}
}
