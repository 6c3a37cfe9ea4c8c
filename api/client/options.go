package client

import "net/url"

// arguments are the arguments of a call, by their names in the API.
type arguments map[string]string

// CreateOption is an option of [Client.CreateAuth]: [WithProfile], [WithLocale],
// [WithClient].
type CreateOption interface{ ofCreate(arguments) }

// CheckOption is an option of [Client.AuthenticateCode]: [WithProfile], [SentTo].
type CheckOption interface{ ofCheck(arguments) }

// AuthOption is an option of [Client.CancelAuth] and [Client.Status]: [WithProfile].
type AuthOption interface{ ofAuth(arguments) }

// ProfileOption is an option of every call; see [WithProfile].
type ProfileOption struct{ name string }

// WithProfile selects a profile of the service, a set of settings such as code length,
// text and limits. The same authID with and without a profile is two codes, so every call
// about a code needs the profile that it was created with.
func WithProfile(name string) ProfileOption { return ProfileOption{name} }

func (o ProfileOption) ofCreate(args arguments) { args["profile"] = o.name }
func (o ProfileOption) ofCheck(args arguments)  { args["profile"] = o.name }
func (o ProfileOption) ofAuth(args arguments)   { args["profile"] = o.name }

type locale string

// WithLocale requests the message in a language, a BCP 47 tag such as "es-MX". The service
// sends the profile's best match, or else the profile's default message.
func WithLocale(tag string) CreateOption { return locale(tag) }

func (l locale) ofCreate(args arguments) { args["locale"] = string(l) }

type endUser string

// WithClient identifies the person who caused the request, preferably by IP address, so
// that the service can limit messages per person. Never pass the address of your own
// proxy: all people would share one limit.
func WithClient(client string) CreateOption { return endUser(client) }

func (u endUser) ofCreate(args arguments) { args["client"] = string(u) }

type sentTo string

// SentTo accepts a code only if it was sent to recipient; else the answer is
// [UnknownAuthID]. Pass the number that your application is about to mark as verified.
// Without it, somebody may enter a code that was sent to another phone.
func SentTo(recipient string) CheckOption { return sentTo(recipient) }

func (s sentTo) ofCheck(args arguments) { args["recipient"] = string(s) }

// queryOf returns the query of a call without a body.
func queryOf(authID string, opts []AuthOption) string {
	args := arguments{"auth_id": authID}
	for _, opt := range opts {
		opt.ofAuth(args)
	}
	query := url.Values{}
	for name, value := range args {
		query.Set(name, value)
	}
	return query.Encode()
}
