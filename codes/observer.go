package codes

import "time"

// Observer receives events, for metrics. Over all replicas each event is
// reported once, however often calls were retried. Its methods must not block.
type Observer interface {
	Created(e CreateEvent)
	Checked(e CheckEvent)
	Cancelled(ttlLeft time.Duration) // of the entry; 0 if there was none
	Delivery(e DeliveryEvents)
}

// CreateEvent is a create that was answered.
type CreateEvent struct {
	Caller   string
	Profile  string
	Area     Area
	Arrived  time.Time
	Lifetime time.Duration

	Reserved  bool          // it passed all limits
	Wait      time.Duration // that a reserved one waited for its turn
	Withdrawn bool          // the entry was removed again, since its message was not sent
	Stored    bool          // the entry stays
	Replaced  time.Duration // lifetime left of the entry that a stored one replaced; 0 if none was live
	Resent    bool          // a live entry was kept, and its code is sent again
	Sent      bool          // the carrier accepted the message
	Segments  int           // of a sent message
	Uncertain bool          // the carrier may have accepted the message

	OverAllowance *LimitError // the limit on unverified messages that is reached, if one is
	Refused       bool        // by that limit
	Exchange      string      // of a message over the allowance

	TrackingErr error // why the receipts of a sent message will not be counted
}

// CheckEvent is a check that was answered.
type CheckEvent struct {
	Caller  string
	Profile string
	Checked
}

// DeliveryEvents are what receipts report of a message for the first time.
type DeliveryEvents struct {
	Delivered, Failed bool
	Area              Area   // of the message
	Caller            string // of the request that made it
}

// noObserver ignores all events.
type noObserver struct{}

func (noObserver) Created(CreateEvent)     {}
func (noObserver) Checked(CheckEvent)      {}
func (noObserver) Cancelled(time.Duration) {}
func (noObserver) Delivery(DeliveryEvents) {}
