package codes

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"sync"
)

// Digest stands for an auth_id, a code or a number at rest: the first 80 bits
// of its HMAC-SHA-256 under the service's secret. Two of a hundred million live
// ones are the same with a chance of 4 in a billion, and nobody without the
// secret can look for such a pair.
type Digest [10]byte

// String returns the digest in the form of key names: 14 characters of base64url.
func (d Digest) String() string { return base64.RawURLEncoding.EncodeToString(d[:]) }

// Op identifies one operation, so that a repetition of it is recognised.
type Op [8]byte

// NewOp returns a fresh random Op.
func NewOp() Op {
	var op Op
	_, _ = rand.Read(op[:]) // never fails: crypto/rand ends the program instead
	return op
}

// String returns the op in the form of key names: 11 characters of base64url.
func (o Op) String() string { return base64.RawURLEncoding.EncodeToString(o[:]) }

// Hasher makes digests under one secret. It is safe for concurrent use.
type Hasher struct{ pool sync.Pool }

// hashing is what it takes to make a digest.
type hashing struct {
	mac   hash.Hash
	input []byte
	sum   [sha256.Size]byte
}

// NewHasher returns a Hasher under the given secret.
func NewHasher(secret []byte) *Hasher {
	key := append([]byte(nil), secret...)
	return &Hasher{pool: sync.Pool{New: func() any { return &hashing{mac: hmac.New(sha256.New, key)} }}}
}

// ID digests an auth_id of a space.
func (h *Hasher) ID(s Space, id ID) Digest {
	return h.digest('i', s.Caller, s.Profile, s.Service, string(id))
}

// Phone digests a recipient's number.
func (h *Hasher) Phone(p Phone) Digest { return h.digest('p', string(p)) }

// Message digests the carrier's id of a message.
func (h *Hasher) Message(id string) Digest { return h.digest('m', id) }

// Address digests a client's network address.
func (h *Hasher) Address(a string) Digest { return h.digest('a', a) }

// Client digests a client of a caller. Two callers may mean different people by the
// same text.
func (h *Hasher) Client(caller string, c Client) Digest { return h.digest('s', caller, string(c)) }

// Verification returns the auth_id of the number's entry in a service whose
// entries are found by their number: VE and 32 hex digits.
func (h *Hasher) Verification(service string, p Phone) ID {
	sum := h.sum('v', service, string(p))
	return ID("VE" + hex.EncodeToString(sum[:16]))
}

// Pseudonym is what stands for a recipient or a client in the log: 10 hex digits
// that are the same for the same one, and say nothing to who has not the secret. It
// is made from the digest, which the store keeps, but is not a part of it.
func (h *Hasher) Pseudonym(of Digest) string {
	mark := h.digest('l', string(of[:]))
	return hex.EncodeToString(mark[:5])
}

// NameDigest digests the name of a caller or of a profile. That is no secret, so
// its counts outlive a change of the secret.
func NameDigest(name string) (d Digest) {
	sum := sha256.Sum256([]byte(name))
	copy(d[:], sum[:])
	return d
}

// Code digests a code in canonical form, bound to the auth_id it was made for:
// the same code under two ids has two digests.
func (h *Hasher) Code(s Space, id ID, c Code) Digest {
	return h.digest('c', s.Caller, s.Profile, s.Service, string(id), canonical(c))
}

// digest returns the first bytes of a sum.
func (h *Hasher) digest(kind byte, parts ...string) Digest {
	sum := h.sum(kind, parts...)
	return Digest(sum[:len(Digest{})])
}

// sum separates the domains by kind, and the parts by zero bytes. Only one part
// of each kind may hold a zero byte itself, so no two lists of parts are written
// alike.
func (h *Hasher) sum(kind byte, parts ...string) [sha256.Size]byte {
	with := h.pool.Get().(*hashing)
	defer h.pool.Put(with)
	with.input = append(with.input[:0], kind)
	for _, part := range parts {
		with.input = append(with.input, part...)
		with.input = append(with.input, 0)
	}
	with.mac.Reset()
	with.mac.Write(with.input)
	with.mac.Sum(with.sum[:0])
	return with.sum
}
