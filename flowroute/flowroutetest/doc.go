// Package flowroutetest is a strict simulator of the Flowroute Messaging API:
// POST /v2/messages, /v2.1/messages and /v2.2/messages, and the look-up of a
// message at GET /v2.1/messages/{id}. Nothing is sent, and nothing is logged.
//
// It checks every request as closely as the documentation of the API allows,
// in this order: path (404), method (405), credentials (401), rate (429),
// media type (415), JSON (400), shape of the message (422), numbers (422),
// sender (403), opt-out (400). So a client that passes here does not lean on
// the real service's leniency. Then a fault acts, if one is set for the
// recipient with [Simulator.Fail].
//
// # Numbers that always act out a fault
//
//	15005550200  200 without a message id
//	15005550202  202 without a message id
//	15005550302  redirect 302
//	15005550307  redirect 307
//	15005550400  refused: opted out
//	15005550401  refused: credentials
//	15005550403  refused: sender not allowed
//	15005550422  refused: not a reachable number
//	15005550429  too many requests
//	15005550500  error 500
//	15005550502  gateway error 502, not JSON
//	15005550503  error 503
//	15005550001  accepted, answered after 3 s
//	15005550002  never answered, not accepted
//	15005550003  accepted, never answered
//	15005550004  accepted, connection reset
//	15005550005  accepted, answer cut off
//
// In debug mode, and not here, the service itself acts out two more:
// 15005550090 has reached a limit, and the code of 15005550091 has expired
// when the answer comes, a second later.
//
// # Control over HTTP
//
// For tests of another process the simulator answers under a prefix that
// Flowroute does not have, to loopback addresses only, without credentials:
//
//	GET    /_sim/messages?to=12065551234  the counts and the kept messages, all or those to one number
//	DELETE /_sim/messages                 forgets both
//	PUT    /_sim/faults/{number}          sets a fault: {"kind":"refuse","status":503,"delay":"200ms","times":1}
//	DELETE /_sim/faults/{number}          clears it
//
// The number "default" stands for all numbers that have no fault of their own.
// The answers hold the texts, codes included: it is for tests only.
package flowroutetest
