package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// BenchmarkService measures one request after another through the whole service on a
// real Redis. A create includes the allocations of the simulator.
func BenchmarkService(b *testing.B) {
	var sent sync.Map // code by number
	sim := startSimulator(b, flowroutetest.Options{Keep: 1, OnMessage: func(m flowroutetest.Message) {
		code, _, _ := strings.Cut(m.Body, "\n")
		sent.Store(m.To, code)
	}})
	hash := sha256.Sum256([]byte("secret"))
	cfg, err := config.Load(config.Source{Environ: environment(redistest.Server(b), sim,
		"SEND_LIMITS=5/10m,20/24h", "GUESS_LIMITS=20/24h", "API_KEYS=bench:"+hex.EncodeToString(hash[:]), "ADMIN_ADDR=off",
		"RETRIES_ALLOWED=1000000000")})
	if err != nil {
		b.Fatal(err)
	}
	logs := app.NewLogs(io.Discard, cfg.LogLevel, false)
	b.Cleanup(logs.Close)
	a, err := app.New(cfg, logs, nil, build(), io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	serving, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(serving) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	eventually(b, 10*time.Second, "the service is ready", a.Ready)
	handler := a.Handler()
	post := func(b *testing.B, path, body string, status int) {
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader([]byte(body)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer secret")
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != status {
			b.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	entries := 0
	create := func(b *testing.B) (id, code string) {
		entries++
		id, recipient := strconv.Itoa(entries), fmt.Sprintf("1206%07d", 2_000_000+entries)
		post(b, "/", fmt.Sprintf(`{"auth_id":%q,"recipient":%q}`, id, recipient), http.StatusOK)
		text, _ := sent.LoadAndDelete(recipient)
		return id, text.(string)
	}
	b.Run("create", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			create(b)
		}
	})
	b.Run("wrong", func(b *testing.B) {
		id, _ := create(b)
		body := fmt.Sprintf(`{"auth_id":%q,"code":"12345"}`, id)
		b.ReportAllocs()
		for b.Loop() {
			post(b, "/verify", body, http.StatusBadRequest)
		}
	})
	b.Run("cycle", func(b *testing.B) { // a create and the right code
		b.ReportAllocs()
		for b.Loop() {
			id, code := create(b)
			post(b, "/verify", fmt.Sprintf(`{"auth_id":%q,"code":%q}`, id, code), http.StatusOK)
		}
	})
}
