package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
)

// floorCommand starts the floor: the least that answers the same requests
// with the same stack. What the service takes more is the price of its
// promises.
const (
	floorCommand = "floor"
	sharingFloor = "sharing" // the floor with the client's own way to share round trips
)

//go:embed lua/put.lua
var floorPut string

//go:embed lua/check.lua
var floorCheck string

const (
	floorPrefix   = "floor:"
	floorAttempts = 3
	floorLifetime = 3600 // seconds
)

// bareService is echo, go-redis and net/http, and nothing between.
type bareService struct {
	redis      redis.Scripter
	put, check *redis.Script
	carrier    *http.Client
	messages   string // URL
}

func floor(ctx context.Context, args []string, out, _ io.Writer) error {
	flags := flag.NewFlagSet(floorCommand, flag.ContinueOnError)
	redisAddr := flags.String("redis", "", "host:port of Redis")
	carrierURL := flags.String("carrier", "", "URL of the carrier")
	sharing := flags.Bool("sharing", false, "share round trips to Redis in the client's own way")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client := dialRedis(*redisAddr)
	s := &bareService{
		redis:    client,
		put:      redis.NewScript(floorPut),
		check:    redis.NewScript(floorCheck),
		carrier:  &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConns: 512, MaxIdleConnsPerHost: 512}},
		messages: *carrierURL + "/v2.1/messages",
	}
	for _, script := range []*redis.Script{s.put, s.check} {
		if err := script.Load(ctx, client).Err(); err != nil {
			return err
		}
	}
	if *sharing {
		shared, err := client.AutoPipeline()
		if err != nil {
			return err
		}
		s.redis = shared
	}
	e := echo.New()
	e.POST("/", s.create)
	e.POST("/verify", s.verify)
	e.GET("/metrics", mallocs)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, `{"msg":"serving","address":%q,"admin":%[1]q}`+"\n", listener.Addr().String())
	server := &http.Server{Handler: e, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	return server.Serve(listener)
}

func (s *bareService) create(c echo.Context) error {
	var args struct {
		AuthID    string `json:"auth_id"`
		Recipient string `json:"recipient"`
	}
	if err := c.Bind(&args); err != nil {
		return err
	}
	number, err := rand.Int(rand.Reader, big.NewInt(allCodes))
	if err != nil {
		return err
	}
	code := fmt.Sprintf("%04d", number)
	ctx := c.Request().Context()
	err = s.put.EvalSha(ctx, s.redis, []string{floorPrefix + args.AuthID}, code, floorAttempts, floorLifetime).Err()
	if err != nil {
		return err
	}
	if err := s.send(ctx, args.Recipient, code); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]string{"message": "Success", "auth_id": args.AuthID})
}

func (s *bareService) send(ctx context.Context, to, code string) error {
	body, err := json.Marshal(map[string]string{"to": to, "from": sender, "body": code + "\nWelcome!"})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.messages, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.SetBasicAuth(accessKey, secretKey)
	r.Header.Set("Content-Type", "application/vnd.api+json")
	answer, err := s.carrier.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("floor: the carrier answered %d", answer.StatusCode)
	}
	return nil
}

func (s *bareService) verify(c echo.Context) error {
	var args struct {
		AuthID string `json:"auth_id"`
		Code   string `json:"code"`
	}
	if err := c.Bind(&args); err != nil {
		return err
	}
	left, err := s.check.EvalSha(c.Request().Context(), s.redis, []string{floorPrefix + args.AuthID}, args.Code).Int64()
	switch {
	case err != nil:
		return err
	case left == -1:
		return c.JSON(http.StatusOK, map[string]any{"authenticated": true, "auth_id": args.AuthID})
	case left == -2:
		return c.JSON(http.StatusBadRequest, map[string]any{"reason": "UnknownAuthId"})
	}
	return c.JSON(http.StatusBadRequest, map[string]any{"reason": "InvalidAuthCode", "attempts_left": left})
}

// mallocs tells what the service tells at its /metrics.
func mallocs(c echo.Context) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return c.String(http.StatusOK, fmt.Sprintf("%s %d\n", mallocsMetric, m.Mallocs))
}
