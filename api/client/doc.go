// Package client is the Go client of the SMS verification service: it sends a code to a
// person's phone and checks the code that the person enters.
//
//	c, err := client.New("http://127.0.0.1:8000", client.WithRetries(3))
//	if err != nil {
//		return err
//	}
//	if _, err := c.CreateAuth(ctx, "user-42", "12065551234"); err != nil {
//		return err // usually no SMS was sent; see Errors below
//	}
//
//	// Later, with the code that the person entered:
//	if err := c.AuthenticateCode(ctx, "user-42", code, client.SentTo("12065551234")); err != nil {
//		return err // not verified
//	}
//	// The number belongs to the person.
//
// # Profiles and languages
//
// A service may have profiles, for example one for logins and one for payouts, each with
// its own code length, texts and limits. [WithProfile] selects one, and [WithLocale] the
// language of the message:
//
//	auth, err := c.CreateAuth(ctx, "user-42", number, client.WithProfile("login"), client.WithLocale("es-MX"))
//	err = c.AuthenticateCode(ctx, "user-42", code, client.WithProfile("login"), client.SentTo(number))
//
// # Errors
//
// A call has succeeded only if its error is nil. If the service answered with an error,
// the call returns an [*Error]; find it with [errors.As], or its reason with [ReasonOf].
// The constants of [Reason] say what to do about each. Any other error means that no
// complete answer arrived: the service was not reached, the context was canceled
// ([context.Canceled]), or the time was up ([context.DeadlineExceeded]). The call may still
// have taken effect.
//
// No error text contains an auth_id, a number, a code or the API key.
//
// # Retries
//
// Without [WithRetries] the client retries nothing. Calling a method again is a new call:
//
//   - A second CreateAuth sends a second SMS, and the code of the first is void.
//   - A second AuthenticateCode uses up a second attempt. If the first was right and its
//     answer was lost, the second fails with [UnknownAuthID].
//
// With [WithRetries] each call carries a random Idempotency-Key. For ten minutes the service
// recognizes the key and gives the same answer. The client retries calls without an answer,
// those answered [ServiceUnavailable], those still running, and those that a proxy answered
// with 502, 503 or 504. Any other answer is final. net/http may also repeat a request with
// such a key when a connection breaks, which does no harm.
//
// [Client.Idempotent] uses a key of your own, for a call that must have one effect even if
// your application is restarted in between.
//
// The client never follows redirects.
//
// # The API key
//
// Every call carries the key, and most carry a number or a code. Use https for a service
// on another host: with http, anyone on the way can read them.
package client
