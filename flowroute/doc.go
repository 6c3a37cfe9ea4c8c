// Package flowroute sends SMS through the Flowroute Messaging API v2.1.
//
// [Client] is a [codes.Sender]. What it makes of each answer:
//
//	2xx with a message id                 sent
//	429                                   *codes.UnavailableError: Flowroute did not take it
//	400, 422                              codes.ErrRejected: this number, this text
//	any other 4xx but 408                 codes.ErrSenderRefused: the keys, the sender, the base URL
//	101, 3xx, 408, 5xx, 2xx without an id codes.ErrUnconfirmed
//	no answer after a byte left           codes.ErrUnconfirmed
//	no connection, or it broke before     codes.ErrUnavailable
//	too late before a byte left           codes.ErrTooLate
//
// Flowroute knows no idempotency key: the same message handed over twice is
// two SMS. So Send makes one attempt, and only after a 429 and the last two
// lines may the caller make another one.
package flowroute
