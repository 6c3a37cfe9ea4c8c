package redisstore

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

// logIn completes the user, the password and the TLS configuration of the URL. config
// is nil unless the URL asks for TLS.
func (o DialOptions) logIn(username, password *string, config *tls.Config) error {
	if err := o.setUser(username, password); err != nil {
		return err
	}
	if config == nil {
		if o.CAFile != "" || o.CertFile != "" || o.KeyFile != "" {
			return errors.New("does not use TLS, but a certificate file is set; begin it with rediss://, or remove the file")
		}
		return nil
	}
	if o.CAFile != "" {
		content, err := os.ReadFile(o.CAFile)
		if err != nil {
			return fmt.Errorf("certificate authority: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(content) {
			return errors.New("the certificate authority's file holds no certificate; use a PEM file")
		}
	}
	if o.CertFile != "" {
		// Read for every connection, so that a renewed certificate needs no restart.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
			return &cert, err
		}
	}
	return nil
}

func (o DialOptions) setUser(username, password *string) error {
	twoUsers, twoPasswords := o.Username != "" && *username != "", o.Password != "" && *password != ""
	switch {
	case twoUsers && twoPasswords:
		return errors.New("contains a user and a password, but REDIS_USERNAME and REDIS_PASSWORD are set too; remove one pair")
	case twoUsers:
		return errors.New("contains a user, but REDIS_USERNAME is set too; remove one of the two")
	case twoPasswords:
		return errors.New("contains a password, but REDIS_PASSWORD is set too; remove one of the two")
	}
	*username, *password = cmp.Or(o.Username, *username), cmp.Or(o.Password, *password)
	if o.Username != "" && *password == "" {
		return errors.New("has no password for the user in REDIS_USERNAME; set REDIS_PASSWORD")
	}
	return nil
}

var errNoTLS = errors.New("TLS got no answer: Redis is stalled, or this port does not speak TLS; use its TLS port, or redis:// if it has none")

// tlsDialer returns the library's dialer with a better error. A server that does not
// speak TLS takes the handshake for the beginning of a command, and waits. Without
// TLS it returns nil, for the library's default.
func tlsDialer(config *tls.Config, timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	if config == nil {
		return nil
	}
	// It gives up just before the sentinel client does, whose error says less.
	dial := redis.NewDialer(&redis.Options{TLSConfig: config, DialTimeout: timeout * 9 / 10})
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		var connecting *net.OpError // no connection, or an alert from the server
		var notTLS tls.RecordHeaderError
		if errors.As(err, &notTLS) || !errors.As(err, &connecting) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF)) {
			return nil, errNoTLS
		}
		return conn, err
	}
}
