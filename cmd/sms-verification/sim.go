package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

func simCommand() *cobra.Command {
	var addr string
	var numbers []string
	var show, open bool
	options := flowroutetest.Options{}
	cmd := &cobra.Command{
		Use:   "flowroute-sim",
		Short: "Runs the Flowroute simulator, for staging and tests; sends nothing",
		Long: "Runs the Flowroute simulator, for staging and tests; sends nothing.\n\n" +
			"The account's keys are read from FLOWROUTE_ACCESS_KEY and FLOWROUTE_SECRET_KEY.\n" +
			"What it accepted is at /_sim/messages, for clients on loopback.",
		Args: usage(cobra.NoArgs),
	}
	cmd.Flags().StringVar(&addr, "listen", "127.0.0.1:9999", "address to listen on")
	cmd.Flags().StringSliceVar(&numbers, "number", []string{string(debugNumber)}, "numbers that the account owns, 11 digits each")
	cmd.Flags().IntVar(&options.Rate, "rate", 5, "messages per second that the account allows; 0 is no limit")
	cmd.Flags().BoolVar(&show, "show", false, "print the messages as a phone would show them")
	cmd.Flags().BoolVar(&open, "open-control", false, "answer under /_sim/ to every client, not only on loopback")
	cmd.Flags().DurationVar(&options.ReceiptDelay, "receipt-delay", 100*time.Millisecond, "time from a message to its first delivery receipt, and to each further one")
	cmd.Flags().DurationVar(&options.ReceiptRetry, "receipt-retry", 30*time.Second, "time until a receipt that was not answered with 200 is sent again, up to four times")
	cmd.Flags().StringSliceVar(&options.CallbackHosts, "callback-host", nil, "hosts that receipts are sent to, beside loopback")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options.AccessKey, options.SecretKey = os.Getenv("FLOWROUTE_ACCESS_KEY"), os.Getenv("FLOWROUTE_SECRET_KEY")
		if options.AccessKey == "" || options.SecretKey == "" {
			return usageError{fmt.Errorf("flowroute-sim: set FLOWROUTE_ACCESS_KEY and FLOWROUTE_SECRET_KEY to what the service is to use")}
		}
		options.Numbers, options.OpenControl = numbers, open
		if show {
			phone := newLineWriter(cmd.OutOrStdout())
			defer phone.Close()
			options.OnMessage = func(m flowroutetest.Message) { _, _ = io.WriteString(phone, phoneView(m.To, m.Body)) }
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
