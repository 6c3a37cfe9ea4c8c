package telemetry

import "github.com/prometheus/client_golang/prometheus"

// RegisterInspection exposes the number of unsafe Redis settings.
func RegisterInspection(r prometheus.Registerer, unsafe func() float64) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "smsv_redis_unsafe_settings",
		Help: "Unsafe settings and permissions of Redis; the log names them.",
	}, unsafe))
}
