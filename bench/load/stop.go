package main

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// stopOnSignal ends the loop at SIGINT or SIGTERM, so that what was measured until then is still told.
func (l *loop) stopOnSignal() {
	var asked atomic.Bool
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		asked.Store(true)
	}()
	var look func(int64)
	look = func(int64) {
		if asked.Load() {
			l.stopped = true
			return
		}
		l.after(50*time.Millisecond, look)
	}
	l.after(50*time.Millisecond, look)
}
