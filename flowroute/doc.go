// Package flowroute sends SMS through the Flowroute Messaging API v2.1.
//
// [Client] is a [codes.Sender]. What it makes of each answer:
//
//	2xx with a message id                 sent
//	429                                   nothing was taken: sent again while MaxWait lasts, then codes.ErrUnavailable
//	any other 4xx                         codes.ErrRejected
//	3xx, 5xx, 2xx without an id           codes.ErrUnconfirmed
//	no answer on a connection it had      codes.ErrUnconfirmed
//	no connection                         nothing was sent: dialled again while MaxWait lasts, then codes.ErrUnavailable
//
// Flowroute knows no idempotency key: the same message handed over twice is
// two SMS. So nothing that Flowroute may have taken is ever sent again.
package flowroute
