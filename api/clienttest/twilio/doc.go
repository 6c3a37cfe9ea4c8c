// Package twilio runs Twilio's Go client, and the requests of its Python and Node
// clients, against the built service. The version of the client is in ../go.mod.
package twilio
