// Package client calls the SMS verification service: it asks for a code to be
// sent to a person's phone and checks what the person typed.
//
//	c, err := client.New("http://127.0.0.1:8000")
//	if err != nil {
//		return err
//	}
//	if _, err := c.CreateAuth(ctx, "user-42", "12065551234"); err != nil {
//		return err // no SMS, as a rule; see Errors below
//	}
//
//	// Later, with what the person typed:
//	if err := c.AuthenticateCode(ctx, "user-42", code); err != nil {
//		return err // not verified
//	}
//	// The number is the person's.
//
// # Errors
//
// A call has worked only if its error is nil. An answer of the service that
// says anything else is an [*Error], found with [errors.As]; what to do about
// it stands at the constants of [Reason], and [ReasonOf] is the short way to
// them. Any other error means that no complete answer came: the service was
// not reached, the context ended ([context.Canceled]), or the time was up
// ([context.DeadlineExceeded]). The call may have taken effect all the same.
//
// No error text holds an auth_id, a number, a code or the API key.
//
// # Repeating
//
// The client repeats nothing by itself and follows no redirect. A repeated
// CreateAuth sends a second SMS, which makes the code of the first one wrong,
// and takes a second place in the limits. A repeated AuthenticateCode spends a
// second attempt, or answers [UnknownAuthID] if the first one was right and
// only its answer was lost. So the decision is the application's; a person who
// asks for a new code is the usual way.
//
// # The API key
//
// The key goes out with every call, and so do numbers and codes. Use https to
// reach a service on another host: over plain http anyone in between can read
// them.
package client
