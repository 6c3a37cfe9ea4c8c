package redisstore

import "github.com/flowroute/sms-verification/codes"

// schema is the version of the keys and values. A change that an older
// replica would misread takes a new one.
const schema = "1:"

// keys names every key. The part in braces is the hash tag: keys that one
// script touches share it, so that a cluster keeps them in one slot.
type keys struct{ prefix string }

func (k keys) tagged(d codes.Digest, rest string) string {
	return k.prefix + schema + "{" + d.String() + "}" + rest
}

func (k keys) entry(id codes.Digest) string           { return k.tagged(id, "") }
func (k keys) notice(id codes.Digest) string          { return k.tagged(id, "x") }
func (k keys) op(id codes.Digest, op codes.Op) string { return k.tagged(id, op.String()) }
func (k keys) sends(recipient codes.Digest) string    { return k.tagged(recipient, "s") }
func (k keys) guesses(recipient codes.Digest) string  { return k.tagged(recipient, "g") }
func (k keys) returns(recipient codes.Digest) string  { return k.tagged(recipient, "b") }
func (k keys) failures(address codes.Digest) string   { return k.tagged(address, "f") }
func (k keys) request(key codes.Digest) string        { return k.tagged(key, "i") }
func (k keys) message(id codes.Digest) string         { return k.tagged(id, "m") }
func (k keys) total() string                          { return k.prefix + schema + "{all}t" }
func (k keys) turns() string                          { return k.prefix + schema + "{all}p" }

// forEntry are the keys of the scripts put, try and delete.
func (k keys) forEntry(id codes.Digest, op codes.Op) []string {
	return []string{k.entry(id), k.notice(id), k.op(id, op)}
}
