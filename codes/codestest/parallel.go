package codestest

import "sync"

// parallelCalls is how many calls the suites make at the same time: many more than any
// limit in them allows, and few enough that the slowest backend answers the last of
// them before a call times out. That is miniredis under the race detector, which
// takes some 4 ms for the longest script on a quiet machine.
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
