package codestest

import "sync"

// parallelCalls is how many calls the suites make at the same time. It is more than any
// limit in them allows. It is few enough that the slowest backend, miniredis under the
// race detector, answers the last of them in time: the longest script takes it some
// 4 ms on a quiet machine.
const parallelCalls = 24

// parallel runs n calls that all start at once, and waits for them.
func parallel(n int, call func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			call(i)
		})
	}
	close(start)
	wg.Wait()
}
