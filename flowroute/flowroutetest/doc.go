// Package flowroutetest is a strict simulator of the Flowroute Messaging API:
// POST /v2/messages, /v2.1/messages and /v2.2/messages, the lookup of a message
// at GET /v2.1/messages/{id}, the callbacks of the account, and delivery
// receipts. It sends and logs nothing.
//
// It does not serve these calls of Flowroute's SDKs:
//
//	GET  /v2.1/messages?start_date=…                the list of messages: 405
//	POST /v2/numbers/{number}/relationships/{type}  a callback of one number: 404
//	     everything else about numbers, inbound routes, CNAM and E911: 404
//
// It checks every request as closely as the documentation of the API allows,
// in this order: path (404), method (405), credentials (401), rate (429),
// media type (415), JSON (400), shape of the message (422), numbers (422),
// sender (403), opt-out (400). So a client that works here does not depend on
// the real service being lenient. A message that passes gets the fault that
// [Simulator.Fail] set for its recipient, if any.
//
// # Numbers that simulate a fault
//
//	15005550200  200 without a message id
//	15005550202  202 without a message id
//	15005550302  redirect 302
//	15005550307  redirect 307
//	15005550400  refused: opted out
//	15005550401  refused: credentials
//	15005550403  refused: sender not allowed
//	15005550404  refused: no such path
//	15005550408  request timeout 408
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
//	15005550006  101 Switching Protocols, connection kept open, not accepted
//
// # Delivery receipts
//
// If a message has a dlr_callback, or the account has one (PUT, GET and DELETE
// /v2.1/messages/sms_dlr_callback), its receipts are posted there, on loopback
// or to one of CallbackHosts. A receipt that is not answered with 200 is posted
// again up to four times. These numbers have receipts of their own:
//
//	15005550101  rejected by the phone (1110)
//	15005550102  a landline: none
//	15005550103  level 1 only
//	15005550104  one more: the message is delivered
//	15005550105  an undocumented status
//	15005550106  the flat form
//	15005550107  status_code as a string
//	15005550108  status_code null
//	15005550109  without status_code
//	15005550110  level 2 before level 1
//	15005550111  each twice
//	15005550112  before the response to the message
//	15005550113  with undocumented members
//	15005550114  rejected, flat, each twice, before the response
//
// In debug mode the service itself simulates two more: 15005550090 has reached
// a limit, and the code of 15005550091 has expired when the answer comes, a
// second later.
//
// # Control over HTTP
//
// Tests in another process can control the simulator under a prefix that
// Flowroute does not have, from loopback addresses only, without credentials:
//
//	GET    /_sim/messages?to=12065551234  returns the counts and the kept messages, all or those to one number
//	DELETE /_sim/messages                 resets both
//	PUT    /_sim/faults/{number}          sets a fault: {"kind":"refuse","status":503,"delay":"200ms","times":1}
//	DELETE /_sim/faults/{number}          clears it
//	PUT    /_sim/receipts/{number}        sets a Delivery: {"outcome":"unreachable","flat":true}
//	POST   /_sim/inbound                  simulates an SMS to the account: {"from":"12065551234","to":"12065550100","body":"STOP"}
//
// The kinds of faults are those of [Kind]. The number "default" stands for all
// numbers without a fault of their own. The answers hold the texts, codes
// included: use it for tests only.
package flowroutetest
