package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

func simCommand() *cobra.Command {
	var addr string
	var numbers []string
	var show, open bool
	options := flowroutetest.Options{}
	cmd := &cobra.Command{
		Use:   "flowroute-sim",
		Short: "Runs the Flowroute simulator for staging and tests; sends nothing",
		Long: "Runs the Flowroute simulator for staging and tests; sends nothing.\n\n" +
			"It reads the account's keys from FLOWROUTE_ACCESS_KEY and FLOWROUTE_SECRET_KEY, or from the files that\n" +
			"FLOWROUTE_ACCESS_KEY_FILE and FLOWROUTE_SECRET_KEY_FILE name. Clients on loopback can list the accepted messages\n" +
			"at /_sim/messages.\n\n" +
			"It serves sending, looking up one message, the account's callbacks and delivery receipts. It does not serve the\n" +
			"list of messages (GET /v2.1/messages: 405) nor anything about numbers, such as\n" +
			"POST /v2/numbers/{number}/relationships/{type}: 404.",
		Args: usage(cobra.NoArgs),
	}
	cmd.Flags().StringVar(&addr, "listen", "127.0.0.1:9999", "address to listen on")
	cmd.Flags().StringSliceVar(&numbers, "number", []string{string(app.DebugNumber)}, "numbers that the account owns, 11 digits each")
	cmd.Flags().IntVar(&options.Rate, "rate", 5, "messages per second that the account allows; 0 for no limit")
	cmd.Flags().BoolVar(&show, "show", false, "print the messages as a phone would show them")
	cmd.Flags().BoolVar(&open, "open-control", false, "serve /_sim/ to every client, not only on loopback")
	cmd.Flags().DurationVar(&options.ReceiptDelay, "receipt-delay", 100*time.Millisecond, "time from a message to its first delivery receipt, and between receipts")
	cmd.Flags().DurationVar(&options.ReceiptRetry, "receipt-retry", 30*time.Second, "time until a receipt that was not answered with 200 is sent again, at most four times")
	cmd.Flags().StringSliceVar(&options.CallbackHosts, "callback-host", nil, "hosts that receipts may be sent to, besides loopback")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := readSimOptions(&options, addr, numbers); err != nil {
			return err
		}
		options.OpenControl = open
		if show {
			phone := app.NewLineWriter(cmd.OutOrStdout())
			defer phone.Close()
			options.OnMessage = func(m flowroutetest.Message) { _, _ = io.WriteString(phone, app.PhoneView(m.To, m.Body)) }
		}
		server, err := flowroutetest.NewServer(addr, options)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Flowroute simulator on %s\n", server.URL)
		<-cmd.Context().Done()
		return server.Close()
	}
	return cmd
}

// readSimOptions reads the account from the environment and validates the flags.
func readSimOptions(o *flowroutetest.Options, addr string, numbers []string) error {
	access, secret, err := config.LoadAccount(config.Source{Environ: os.Environ()})
	if err != nil {
		return err
	}
	if o.AccessKey, o.SecretKey = access.Reveal(), secret.Reveal(); access == "" || secret == "" {
		return usageError{errors.New("flowroute-sim: set FLOWROUTE_ACCESS_KEY and FLOWROUTE_SECRET_KEY to the keys that the service uses")}
	}
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return usageError{errors.New("flowroute-sim: --listen must be host:port")}
	}
	if o.Rate < 0 {
		return usageError{errors.New("flowroute-sim: --rate must be 0 or more")}
	}
	for _, number := range numbers {
		phone, err := codes.ParsePhone(number)
		if err != nil {
			return usageError{fmt.Errorf("flowroute-sim: --number: %w", err)}
		}
		o.Numbers = append(o.Numbers, string(phone))
	}
	return nil
}
