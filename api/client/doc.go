// Package client calls the SMS verification service: it asks for a code to be
// sent to a person's phone and checks what the person typed.
//
//	c, err := client.New("http://127.0.0.1:8000", client.WithRetries(3))
//	if err != nil {
//		return err
//	}
//	if _, err := c.CreateAuth(ctx, "user-42", "12065551234"); err != nil {
//		return err // no SMS, as a rule; see Errors below
//	}
//
//	// Later, with what the person typed:
//	if err := c.AuthenticateCode(ctx, "user-42", code, client.SentTo("12065551234")); err != nil {
//		return err // not verified
//	}
//	// The number is the person's.
//
// # Profiles and languages
//
// A service may have profiles, such as one for logins and one for payouts, each
// with its own length of codes, texts and limits. [WithProfile] selects one, and
// [WithLocale] the language of the message:
//
//	auth, err := c.CreateAuth(ctx, "user-42", number, client.WithProfile("login"), client.WithLocale("es-MX"))
//	err = c.AuthenticateCode(ctx, "user-42", code, client.WithProfile("login"), client.SentTo(number))
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
// Without [WithRetries] the client repeats nothing, and it never follows a
// redirect. A call that is simply made again is a new one: a second CreateAuth
// sends a second SMS, which makes the code of the first one wrong; a second
// AuthenticateCode spends a second attempt, or answers [UnknownAuthID] if the
// first one was right and only its answer was lost.
//
// With [WithRetries] each call carries a random Idempotency-Key, by which the
// service knows it again for ten minutes and gives it the same answer. That is
// also why it does no harm that net/http by itself sends a request with such a
// key again when a connection breaks. Repeated are calls without an answer,
// those answered [ServiceUnavailable], those still in progress, and those
// answered 502, 503 or 504 by a proxy. Everything else is an answer that would
// be the same again.
//
// [Client.Idempotent] takes a key of the application's own, for a call that must
// have one effect even if the application is restarted in between.
//
// # The API key
//
// The key goes out with every call, and so do numbers and codes. Use https to
// reach a service on another host: over plain http anyone in between can read
// them.
package client
