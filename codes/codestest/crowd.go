package codestest

import "sync"

// crowd is how many calls the suites make at the same time: many times what
// any limit in them lets through, and few enough that the slowest backend
// answers the last of them within the time of a call. That is miniredis under
// the race detector, with some 4 ms for the longest script on a quiet machine.
const crowd = 24

// together runs n calls that all start at once, and waits for them.
func together(n int, call func(i int)) {
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
