package route_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/route"
	"github.com/fairlead/fairlead/internal/wire"
)

// TestADeadDeploymentIsLeft: it is asked by three requests, then once a break, and no request fails.
func TestADeadDeploymentIsLeft(t *testing.T) {
	for name, err := range map[string]error{
		"no connection": dead, "5xx": refused(500, "", ""), "timeout": &fault.Error{Kind: fault.Timeout}, "key revoked": refused(401, "invalid_api_key", ""),
		"no credentials": &fault.Error{Kind: fault.Credentials, Code: "upstream_credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a, b place
				a.set(err, 0)
				m := model(route.Options{}, a.at("a", 1), b.at("b", 1))
				for range 600 {
					if err := ask(t.Context(), m); err != nil {
						t.Fatal(err)
					}
					time.Sleep(100 * time.Millisecond)
				}
				times := a.times()
				if len(times) < 5 || len(times) > 7 {
					t.Errorf("asked %d times in a minute", len(times))
				}
				for i, at := range times[3:] {
					want := min(5*time.Second<<i, 30*time.Second)
					if d := at.Sub(times[i+2]); d < want || d > want+want/4+time.Second {
						t.Errorf("probe %d came %v after the last, want about %v", i+1, d, want)
					}
				}
			})
		})
	}
}

// TestNoStormAfterRecovery: one request probes, and each answer lets twice as many in, whatever the strategy; everybody else
// is served elsewhere.
func TestNoStormAfterRecovery(t *testing.T) {
	for _, s := range []route.Strategy{route.Weighted, route.Busy, route.Latency} {
		t.Run(string(s), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a, b place
				a.set(dead, 0)
				b.set(nil, 50*time.Millisecond)
				m := model(route.Options{Strategy: s}, a.at("a", 100), b.at("b", 1))
				var failed atomic.Int64
				load := func(d time.Duration) { // 200 requests a second
					for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
						go func() {
							if ask(t.Context(), m) != nil {
								failed.Add(1)
							}
						}()
					}
				}
				load(3 * time.Second)
				a.set(nil, time.Second) // back, with an answer a second later
				a.takePeak()
				before := a.count()
				for a.count() == before {
					load(5 * time.Millisecond)
				}
				for most := 1; most <= 32; most *= 2 {
					load(900 * time.Millisecond)
					if n := a.takePeak(); n > most {
						t.Errorf("%d requests wait for a deployment that may have %d", n, most)
					}
					load(110 * time.Millisecond)
				}
				time.Sleep(time.Minute)
				if failed.Load() > 0 {
					t.Errorf("%d requests failed", failed.Load())
				}
			})
		})
	}
}

// TestRecovery: a deployment that is back serves its part again.
func TestRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b place
		a.set(dead, 0)
		m := model(route.Options{}, a.at("a", 1), b.at("b", 1))
		run := func(n int) {
			for range n {
				if err := ask(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
		run(20)
		a.set(nil, 0)
		run(100)
		n := a.count()
		run(100)
		if got := a.count() - n; got != 50 {
			t.Errorf("the one that is back got %d of 100 requests", got)
		}
	})
}

// TestNobodyFailsWhileOneIsHealthy: deployments come and go, each in its own way; one is there all the time.
func TestNobodyFailsWhileOneIsHealthy(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			var ps [4]place
			strategy := []route.Strategy{route.Weighted, route.Busy, route.Latency, route.Cheapest}[seed%4]
			m := model(route.Options{Strategy: strategy}, ps[0].at("a", 10), ps[1].at("b", 5), ps[2].at("c", 1), ps[3].at("d", 1))
			ways := []error{nil, dead, refused(503, "", "2"), refused(429, "", ""), refused(429, "", "7"), refused(401, "", ""), refused(404, "model_not_found", ""), refused(529, "", "")}
			for range 400 {
				if rnd.IntN(5) == 0 {
					ps[rnd.IntN(3)].set(ways[rnd.IntN(len(ways))], time.Duration(rnd.IntN(300))*time.Millisecond)
				}
				go func() {
					if err := ask(t.Context(), m); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
				}()
				time.Sleep(time.Duration(rnd.IntN(200)) * time.Millisecond)
			}
			time.Sleep(time.Minute)
		})
	}
}

func TestRetryAfterIsRespected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b place
		a.set(refused(429, "rate_limit_exceeded", "20"), 0)
		m := model(route.Options{}, a.at("a", 9), b.at("b", 1))
		for range 195 { // 19.5 s
			if err := ask(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if a.count() != 1 {
			t.Errorf("asked %d times within the 20 s that it wanted to itself", a.count())
		}
		time.Sleep(time.Second)
		_ = ask(t.Context(), m)
		if a.count() != 2 {
			t.Error("not asked after its time")
		}
	})
}

// TestWaits: a request waits for the only deployment for as long as it says, if that is not long; else the client is told.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a place
		m := model(route.Options{Retries: 2}, a.at("a", 1))
		a.set(refused(429, "", "3"), 0)
		time.AfterFunc(time.Second, func() { a.set(nil, 0) })
		begun := time.Now()
		if err := ask(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begun); d < 3*time.Second || d > 4*time.Second || a.count() != 2 {
			t.Errorf("answered after %v, asked %d times", d, a.count())
		}
		a.set(refused(429, "", time.Now().Add(40*time.Second).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")), 0)
		begun = time.Now()
		f := fault.From(ask(t.Context(), m))
		if f.HTTPStatus() != 429 || time.Since(begun) > 0 || a.count() != 3 {
			t.Errorf("%v after %v, asked %d times", f, time.Since(begun), a.count())
		}
		time.Sleep(10 * time.Second)
		f = fault.From(ask(t.Context(), m)) // the provider is spared
		if f.HTTPStatus() != 429 || f.RetryAfter != "30" && f.RetryAfter != "31" || a.count() != 3 {
			t.Errorf("%v, retry-after %q, asked %d times", f, f.RetryAfter, a.count())
		}
	})
}

// TestRetries: so many times, longer and longer apart, and not on the dot.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a place
		a.set(refused(503, "", ""), 0)
		m := model(route.Options{Retries: 2}, a.at("a", 1))
		begun := time.Now()
		if f := fault.From(ask(t.Context(), m)); f.Status != 503 {
			t.Error(f)
		}
		d := time.Since(begun)
		if a.count() != 3 || d < 375*time.Millisecond || d > 1125*time.Millisecond {
			t.Errorf("asked %d times in %v", a.count(), d)
		}
		f := fault.From(ask(t.Context(), m)) // it has failed three times, but there is nobody else
		if a.count() < 4 || a.times()[3].Sub(a.times()[2]) < time.Second {
			t.Errorf("asked %d times: %v", a.count(), f)
		}
		time.Sleep(2 * time.Second)
		none := model(route.Options{}, a.at("a", 1))
		n := a.count()
		_ = ask(t.Context(), none)
		if a.count() != n+1 {
			t.Errorf("without retries it was asked %d times", a.count()-n)
		}
	})
}

// TestFallbacksByCause: what vendors say decides which list is taken.
func TestFallbacksByCause(t *testing.T) {
	refusal := func(status int, body string) error { return wire.Refusal("test", status, []byte(body)) }
	for want, errs := range map[route.Cause][]error{
		route.RateLimit: {
			refusal(429, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`),
			refusal(429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`),
			refusal(402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}`),
		},
		route.ContextWindow: {
			refusal(400, `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`),
			refusal(400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 209000 tokens > 200000 maximum"}}`),
			refusal(400, `{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}`),
			refusal(400, `{"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size","type":"exceed_context_size_error"}}`),
			refusal(400, `{"message":"Input is too long for requested model."}`),
			refusal(413, `{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}`),
		},
		route.ContentFilter: {
			refusal(400, `{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400}}`),
			refusal(400, `{"error":{"code":"content_policy_violation","message":"Your request was rejected","type":"image_generation_user_error"}}`),
			refusal(400, `{"error":{"code":"data_inspection_failed","message":"Input data may contain inappropriate content."}}`),
		},
		route.Outage: {
			dead, &fault.Error{Kind: fault.Timeout}, &fault.Error{Kind: fault.Unavailable}, refusal(500, "<html>"), refusal(503, ""), refusal(401, "{}"),
			refusal(529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`),
			refusal(404, `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`),
		},
		route.Other: {
			refusal(400, `{"error":{"message":"messages must not be empty"}}`), refusal(422, `{}`), refusal(404, `{"error":{"message":"previous response not found"}}`),
		},
	} {
		for _, err := range errs {
			t.Run(fmt.Sprint(want, " ", err), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var a place
					var others [5]place
					a.set(err, 0)
					m := model(route.Options{Retries: 1}, a.at("a", 1))
					for c := route.RateLimit; c <= route.Outage; c++ {
						m.FallBack(c, model(route.Options{Name: c.String()}, others[c].at(c.String(), 1)))
					}
					got := ask(t.Context(), m)
					for c := range others {
						if n := others[c].count(); (n == 1) != (route.Cause(c) == want && want != route.Other) {
							t.Errorf("%v was asked %d times", route.Cause(c), n)
						}
					}
					if (want == route.Other) != (got != nil) {
						t.Errorf("the error is %v", got)
					}
				})
			})
		}
	}
}

// TestFallbacksGoOn: down the list, and down the lists of those in it; the client hears of the model that it has asked.
func TestFallbacksGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b, c, d place
		a.set(refused(429, "mine", "60"), 0)
		b.set(dead, 0)
		c.set(refused(400, "context_length_exceeded", ""), 0)
		d.set(refused(400, "bad", ""), 0)
		one := model(route.Options{Name: "one"}, a.at("a", 1))
		two := model(route.Options{Name: "two"}, b.at("b", 1))
		three := model(route.Options{Name: "three"}, c.at("c", 1))
		four := model(route.Options{Name: "four"}, d.at("d", 1))
		two.FallBack(route.Outage, three)
		one.FallBack(route.RateLimit, two, three, four)
		if f := fault.From(ask(t.Context(), one)); f.Code != "mine" {
			t.Errorf("the error is %v", f)
		}
		if a.count() != 1 || b.count() != 1 || c.count() != 1 || d.count() != 1 {
			t.Errorf("asked %d, %d, %d, %d times", a.count(), b.count(), c.count(), d.count())
		}
		d.set(nil, 0)
		if err := ask(t.Context(), one); err != nil || a.count() != 1 || d.count() != 2 {
			t.Errorf("%v; asked %d and %d times", err, a.count(), d.count())
		}
	})
}

// TestTheLastResort: when all are in a break they are asked once a second, so that an outage ends for clients when it ends.
func TestTheLastResort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b place
		a.set(dead, 0)
		b.set(dead, 0)
		m := model(route.Options{}, a.at("a", 1), b.at("b", 1))
		for range 200 { // a minute
			err := ask(t.Context(), m)
			if f := fault.From(err); f.Kind != fault.Upstream && f.RetryAfter == "" {
				t.Fatalf("%+v", f)
			}
			time.Sleep(300 * time.Millisecond)
		}
		if n := a.count() + b.count(); n > 130 {
			t.Errorf("two dead deployments were asked %d times in a minute", n)
		}
		b.set(nil, 0)
		time.Sleep(1100 * time.Millisecond)
		if err := ask(t.Context(), m); err != nil {
			t.Errorf("after the end of the outage: %v", err)
		}
	})
}
