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

const (
	baselineCommand = "baseline"
	autoPipeline    = "autopipeline" // the baseline with go-redis' AutoPipeline
)

//go:embed lua/create.lua
var createScript string

//go:embed lua/check.lua
var checkScript string

// bareService is the baseline: a handler of Echo that makes one call of
// go-redis for each request, over pooled connections. It keeps none of the
// service's promises. The ratio to it shows what they cost.
type bareService struct {
	redis         redis.Scripter
	create, check *redis.Script
	http          *http.Client
	messages      string // URL of Flowroute
}

func baseline(ctx context.Context, args []string, out, _ io.Writer) error {
	flags := flag.NewFlagSet(baselineCommand, flag.ContinueOnError)
	redisAddr := flags.String("redis", "", "host:port of Redis")
	flowrouteURL := flags.String("flowroute", "", "URL of Flowroute")
	pipeline := flags.Bool(autoPipeline, false, "share round trips to Redis with AutoPipeline")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client := dialRedis(*redisAddr)
	s := &bareService{
		redis:    client,
		create:   redis.NewScript(createScript),
		check:    redis.NewScript(checkScript),
		http:     &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConns: 512, MaxIdleConnsPerHost: 512}},
		messages: *flowrouteURL + "/v2.1/messages",
	}
	for _, script := range []*redis.Script{s.create, s.check} {
		if err := script.Load(ctx, client).Err(); err != nil {
			return err
		}
	}
	if *pipeline {
		shared, err := client.AutoPipeline()
		if err != nil {
			return err
		}
		s.redis = shared
	}
	e := echo.New()
	e.POST("/", s.handleCreate)
	e.POST("/verify", s.handleCheck)
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

func (s *bareService) handleCreate(c echo.Context) error {
	var args struct {
		AuthID    string `json:"auth_id"`
		Recipient string `json:"recipient"`
	}
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
	answer, err := s.http.Do(r)
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
	var args struct {
		AuthID string `json:"auth_id"`
		Code   string `json:"code"`
	}
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

// mallocs answers what the benchmark reads from /metrics of the service.
func mallocs(c echo.Context) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return c.String(http.StatusOK, fmt.Sprintf("%s %d\n", mallocsMetric, m.Mallocs))
}
