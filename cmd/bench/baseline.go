package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
)

const (
	baselineName     = "baseline"
	autoPipelineName = "autopipeline" // the baseline with go-redis' AutoPipeline
)

// createScript has the arguments code, attempts and seconds to live.
const createScript = `
redis.call('HSET', KEYS[1], 'code', ARGV[1], 'left', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1`

// checkScript returns -1 if the code is right, -2 if there is no entry, and
// else the attempts that are left.
const checkScript = `
local code = redis.call('HGET', KEYS[1], 'code')
if not code then
  return -2
end
if code == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return -1
end
local left = redis.call('HINCRBY', KEYS[1], 'left', -1)
if left <= 0 then
  redis.call('DEL', KEYS[1])
end
return left`

// bareService is the baseline: a handler of Echo that makes one call of
// go-redis for each request, over pooled connections. It keeps none of the
// service's promises. The ratio to it shows what they cost.
type bareService struct {
	redis         redis.Scripter
	create, check *redis.Script
	http          *http.Client
	messages      string // URL of Flowroute
}

// baseline serves the baseline of that name, with the settings of the service.
func baseline(ctx context.Context, name string) error {
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		return err
	}
	client := dialRedis(options.Addr)
	s := &bareService{
		redis:    client,
		create:   redis.NewScript(createScript),
		check:    redis.NewScript(checkScript),
		http:     &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConns: 512, MaxIdleConnsPerHost: 512}},
		messages: strings.Replace(os.Getenv("FLOWROUTE_BASE_URL"), "://", "://"+accessKey+":"+secretKey+"@", 1) + "/v2.1/messages",
	}
	for _, script := range []*redis.Script{s.create, s.check} {
		if err := script.Load(ctx, client).Err(); err != nil {
			return err
		}
	}
	if name == autoPipelineName {
		if s.redis, err = client.AutoPipeline(); err != nil {
			return err
		}
	}
	e := echo.New()
	e.POST("/", s.handleCreate)
	e.POST("/verify", s.handleCheck)
	e.GET("/readyz", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.GET("/metrics", mallocs)
	failed := make(chan error, 2)
	for _, addr := range []string{os.Getenv("LISTEN_ADDR"), os.Getenv("ADMIN_ADDR")} {
		server := &http.Server{Addr: addr, Handler: e, ReadHeaderTimeout: 5 * time.Second}
		go func() { failed <- server.ListenAndServe() }()
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	return err
}

type bareRequest struct {
	AuthID    string `json:"auth_id"`
	Recipient string `json:"recipient"`
	Code      string `json:"code"`
}

func (s *bareService) handleCreate(c echo.Context) error {
	var args bareRequest
	if err := c.Bind(&args); err != nil {
		return err
	}
	number, err := rand.Int(rand.Reader, big.NewInt(10_000))
	if err != nil {
		return err
	}
	code := fmt.Sprintf("%04d", number)
	ctx := c.Request().Context()
	const lifetime = 3600 // seconds
	if err := s.create.EvalSha(ctx, s.redis, []string{"baseline:" + args.AuthID}, code, attempts, lifetime).Err(); err != nil {
		return err
	}
	if err := s.send(args.Recipient, code); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]string{"message": "Success", "auth_id": args.AuthID})
}

func (s *bareService) send(to, code string) error {
	body, err := json.Marshal(map[string]string{"to": to, "from": sender, "body": code + "\nWelcome!"})
	if err != nil {
		return err
	}
	answer, err := s.http.Post(s.messages, "application/vnd.api+json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("answer of Flowroute: %d", answer.StatusCode)
	}
	return nil
}

func (s *bareService) handleCheck(c echo.Context) error {
	var args bareRequest
	if err := c.Bind(&args); err != nil {
		return err
	}
	left, err := s.check.EvalSha(c.Request().Context(), s.redis, []string{"baseline:" + args.AuthID}, args.Code).Int64()
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

// mallocs answers the one metric that the benchmark reads from the service.
func mallocs(c echo.Context) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return c.String(http.StatusOK, fmt.Sprintf("%s %d\n", mallocsMetric, m.Mallocs))
}
