package codes_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

func TestParseWindows(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		list []string
		want []codes.Window
	}{
		{nil, nil},
		{[]string{"off"}, nil},
		{[]string{" off "}, nil},
		{[]string{"5/10m", "20/24h"}, []codes.Window{{Max: 5, Span: 10 * time.Minute, Text: "5/10m"}, {Max: 20, Span: day, Text: "20/24h"}}},
		{[]string{" 5/10m "}, []codes.Window{{Max: 5, Span: 10 * time.Minute, Text: "5/10m"}}},
		{[]string{"1/1s"}, []codes.Window{{Max: 1, Span: time.Second, Text: "1/1s"}}},
		{[]string{"1/1h30m0.5s"}, []codes.Window{{Max: 1, Span: 90*time.Minute + 500*time.Millisecond, Text: "1/1h30m0.5s"}}},
		{[]string{"1000000/8784h"}, []codes.Window{{Max: 1_000_000, Span: 366 * day, Text: "1000000/8784h"}}},
	} {
		got, err := codes.ParseWindows(test.list)
		if err != nil || len(got)+len(test.want) > 0 && !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q = %v, %v; want %v", test.list, got, err, test.want)
		}
	}
}

func TestParseWindowsRefuses(t *testing.T) {
	for _, test := range []struct {
		bad  []string
		rule string
	}{
		{[]string{""}, "not a limit"},
		{[]string{"5"}, "not a limit"},
		{[]string{"10m"}, "not a limit"},
		{[]string{"5/"}, "not a limit"},
		{[]string{"/10m"}, "not a limit"},
		{[]string{"5/10"}, "not a limit"},
		{[]string{"5/10m/2"}, "not a limit"},
		{[]string{"5 / 10m"}, "not a limit"},
		{[]string{"five/10m"}, "not a limit"},
		{[]string{"5.5/10m"}, "not a limit"},
		{[]string{"5/1d"}, "not a limit"},
		{[]string{"99999999999999999999/10m"}, "not a limit"},
		{[]string{"5/10m", "off"}, "not a limit"},
		{[]string{"off", "off"}, "not a limit"},
		{[]string{"OFF"}, "not a limit"},
		{[]string{"0/10m"}, "out of range"},
		{[]string{"-1/10m"}, "out of range"},
		{[]string{"1000001/10m"}, "out of range"},
		{[]string{"5/999ms"}, "out of range"},
		{[]string{"5/0s"}, "out of range"},
		{[]string{"5/-10m"}, "out of range"},
		{[]string{"5/8784h1s"}, "out of range"},
		{[]string{"5/1.0005s"}, "whole milliseconds"},
		{[]string{"5/10m", "0/1s"}, `"0/1s"`},
		{slices.Repeat([]string{"5/10m"}, 101), "too many limits"},
	} {
		got, err := codes.ParseWindows(test.bad)
		if err == nil || !strings.Contains(err.Error(), test.rule) || got != nil {
			t.Errorf("%q = %v, %v; want an error with %q", test.bad, got, err, test.rule)
		}
	}
}
