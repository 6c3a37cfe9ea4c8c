package codestest

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// TestUnverifiedSimulation runs honest traffic, a campaign and attacks against the
// default UNVERIFIED_LIMITS. People live in 330 area codes of 500 exchanges each, some
// with many more people than others. Traffic at noon is twice the average, and 15 % ask
// for a second code.
func TestUnverifiedSimulation(t *testing.T) {
	hour := func(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }
	attack := func(perSecond float64, exchanges int, verified float64) func(*traffic) {
		return func(s *traffic) {
			for i := range int(3600 * perSecond) {
				at := hour(25) + time.Duration(float64(i)/perSecond*float64(time.Second))
				s.add(arrival{at: at, area: 300, exchange: i % exchanges, verified: s.chance(verified), hostile: true})
			}
		}
	}
	for name, test := range map[string]struct {
		aDay     int
		verified float64
		extra    func(*traffic)
		refused  float64 // the largest share of honest messages
		hostile  int     // the most messages of the attack that may be sent
	}{
		"200 a day":                             {200, .5, nil, 0, 0},
		"5,000 a day":                           {5000, .5, nil, 0, 0},
		"100,000 a day":                         {100_000, .5, nil, 0, 0},
		"5,000 a day, most verified":            {5000, .75, nil, 0, 0},
		"a campaign in one area code":           {5000, .75, campaign, .02, 0},
		"an attack on one exchange":             {5000, .75, attack(5, 1, 0), .001, 20},
		"an attack on 200 exchanges":            {5000, .5, attack(5, 200, 0), .001, 105},
		"an attacker who verifies every third":  {5000, .75, attack(5, 1, 1./3), .001, 45},
		"who verifies every third, 200 numbers": {5000, .75, attack(5, 200, 1./3), .001, 240},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTraffic(test.aDay, test.verified, 27*time.Hour)
			if test.extra != nil {
				test.extra(s)
			}
			r := s.run(t)
			t.Logf("%d honest messages, %d refused; %d hostile ones sent, %d refused", r.sent, r.refused, r.hostileSent, r.hostileRefused)
			if float64(r.refused) > test.refused*float64(r.sent+r.refused) {
				t.Errorf("%d of %d honest messages refused", r.refused, r.sent+r.refused)
			}
			if r.hostileSent > test.hostile {
				t.Errorf("%d hostile messages sent, want at most %d", r.hostileSent, test.hostile)
			}
		})
	}
}

// campaign is 3,000 sign-ups in one hour in one area code.
func campaign(s *traffic) {
	for range 3000 {
		at := 26*time.Hour + time.Duration(s.random.Float64()*float64(time.Hour))
		s.add(arrival{at: at, area: 40, exchange: s.exchange(), verified: s.chance(.75), again: s.chance(.15)})
	}
}

// arrival is a request for a code.
type arrival struct {
	at             time.Duration
	area, exchange int
	verified       bool // a while later, or never
	again          bool // a second code is requested at once
	hostile        bool
}

// traffic is a sequence of requests.
type traffic struct {
	random           *rand.Rand
	areas, exchanges []float64 // running sums of the people in them
	arrivals         []arrival
}

func newTraffic(aDay int, verified float64, during time.Duration) *traffic {
	s := &traffic{random: rand.New(rand.NewPCG(1, 2))}
	weights := func(n int, offset, exponent float64) (sums []float64) {
		sum := 0.0
		for i := range n {
			sum += math.Pow(float64(i)+offset, -exponent)
			sums = append(sums, sum)
		}
		return sums
	}
	s.areas, s.exchanges = weights(330, 12, .9), weights(500, 20, .7)
	const peak = 1.9
	mean := 24 * time.Hour / time.Duration(aDay)
	for at := time.Duration(0); at < during; at += time.Duration(s.random.ExpFloat64() * float64(mean) / peak) {
		rhythm := 1 + .9*math.Sin((at.Hours()-9)/24*2*math.Pi)
		if s.chance(rhythm / peak) {
			s.add(arrival{at: at, area: s.pick(s.areas), exchange: s.exchange(), verified: s.chance(verified), again: s.chance(.15)})
		}
	}
	return s
}

func (s *traffic) add(a arrival) { s.arrivals = append(s.arrivals, a) }

func (s *traffic) chance(p float64) bool { return s.random.Float64() < p }

func (s *traffic) exchange() int { return s.pick(s.exchanges) }

func (s *traffic) pick(sums []float64) int {
	i, _ := slices.BinarySearch(sums, s.random.Float64()*sums[len(sums)-1])
	return i
}

type trafficCount struct{ sent, refused, hostileSent, hostileRefused int }

// run sends the traffic to the model.
func (s *traffic) run(t *testing.T) (n trafficCount) {
	limits, err := codes.ParseUnverified(strings.Split("exchange:20/1h,area:100/1h+50%,all:1000/1h+50%", ","))
	if err != nil {
		t.Fatal(err)
	}
	limits.Mode = codes.UnverifiedEnforce
	m := NewModel()
	slices.SortFunc(s.arrivals, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	var entered []arrival // sorted by time
	made := map[time.Duration]codes.Reservation{}
	enter := func(until time.Duration) {
		for len(entered) > 0 && entered[0].at <= until {
			r := made[entered[0].at]
			m.Advance(entered[0].at - m.now)
			c := codes.Check{Name: r.Entry.Name, Code: r.Entry.Code, Op: codes.NewOp(), CountVerified: true}
			if got, err := m.Check(context.Background(), c); err != nil || got.Status != codes.Right {
				t.Fatalf("Check = %+v, %v", got, err)
			}
			delete(made, entered[0].at)
			entered = entered[1:]
		}
	}
	for _, a := range s.arrivals {
		enter(a.at)
		m.Advance(a.at - m.now)
		r := reservationOf(anyEntry())
		r.Entry.Lifetime = time.Hour
		r.Entry.Destination = destination(a.area, a.exchange)
		r.Limits = limits.Limits(r.Entry.Destination)
		if a.again { // the code of the first message is never entered
			n.count(t, m, r, a.hostile)
			r.Op = codes.NewOp()
		}
		if n.count(t, m, r, a.hostile) && a.verified {
			a.at += 5*time.Second + time.Duration(s.random.ExpFloat64()*float64(25*time.Second)) + time.Duration(len(made))
			at, _ := slices.BinarySearchFunc(entered, a, func(x, y arrival) int { return cmp.Compare(x.at, y.at) })
			entered, made[a.at] = slices.Insert(entered, at, a), r
		}
	}
	return n
}

// count requests a message, and reports whether it was sent.
func (n *trafficCount) count(t *testing.T, m *Model, r codes.Reservation, hostile bool) bool {
	_, err := m.Reserve(context.Background(), r)
	var limit *codes.LimitError
	if err != nil && !errors.As(err, &limit) {
		t.Fatal(err)
	}
	switch {
	case hostile && err == nil:
		n.hostileSent++
	case hostile:
		n.hostileRefused++
	case err == nil:
		n.sent++
	default:
		n.refused++
	}
	return err == nil
}

func destination(area, exchange int) (d codes.Destination) {
	d.AreaCode = [3]byte{byte('0' + area/100), byte('0' + area/10%10), byte('0' + area%10)}
	d.Exchange = [6]byte{1, byte(area >> 8), byte(area), byte(exchange >> 8), byte(exchange)}
	return d
}
