// Package flowroute sends SMS through the Flowroute Messaging API v2.1.
//
// [Client] is a [codes.Sender]. Its errors, by what happened:
//
//	2xx with a message id                  none: sent
//	429                                    *codes.UnavailableError: Flowroute did not accept it
//	400, 422                               codes.ErrRejected: this number or text
//	any other 4xx but 408                  codes.ErrSenderRefused: the keys, the sender or the base URL
//	101, 3xx, 408, 5xx, 2xx without an id  codes.ErrUnconfirmed
//	no answer after the first byte         codes.ErrUnconfirmed
//	connection failed before any byte      codes.ErrUnavailable
//	too late before the first byte         codes.ErrTooLate
//
// Flowroute has no idempotency key: a message that is sent twice is two SMS.
// So Send makes one attempt. The caller may make another one only after a 429
// or the last two errors.
package flowroute
