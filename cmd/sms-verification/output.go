package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
)

// printJSON writes v as one line of JSON, with < > & as they are.
func printJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// printError prints a line. It does not block on a pipe that nobody reads, so
// that the process can end.
func printError(stderr io.Writer, text ...any) {
	w := app.NewLineWriter(stderr)
	_, _ = io.WriteString(w, fmt.Sprint(text...)+"\n")
	w.Close()
}
