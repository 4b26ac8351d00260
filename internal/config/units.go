package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// parseDuration reads a positive time span. The second result says what is wrong.
func parseDuration(s string) (time.Duration, string) {
	t, err := time.ParseDuration(s)
	if err != nil {
		return 0, "must be a duration with a unit (ms, s, m, h), such as 30s or 5m"
	}
	if t <= 0 {
		return 0, "must be more than zero"
	}
	return t, ""
}

// parseSize reads a number of bytes from 1 to most. The second result says what is wrong.
func parseSize(s string, most int64) (int64, string) {
	digits := strings.TrimRight(s, "BKMGi ")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit := unitBytes(strings.TrimPrefix(s[len(digits):], " "))
	switch {
	case err != nil || unit == 0:
		return 0, "must be a whole number with a unit (B, KB, MB, GB, KiB, MiB, GiB), such as 256KiB or 10MB"
	case n <= 0:
		return 0, "must be more than zero"
	case n > math.MaxInt64/unit || n*unit > most:
		return 0, "must be at most " + strconv.FormatInt(most>>20, 10) + "MiB"
	}
	return n * unit, ""
}

func unitBytes(unit string) int64 {
	switch unit {
	case "B":
		return 1
	case "KB":
		return 1e3
	case "MB":
		return 1e6
	case "GB":
		return 1e9
	case "KiB":
		return 1 << 10
	case "MiB":
		return 1 << 20
	case "GiB":
		return 1 << 30
	}
	return 0
}
