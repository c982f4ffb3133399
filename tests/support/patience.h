/* How long the tests wait for an event. Both are bounds against a hang: a test that passes never
 * reaches them, on however busy a machine, so they say nothing about how fast anything is. */
#ifndef NTS_TESTS_PATIENCE_H
#define NTS_TESTS_PATIENCE_H

/* One event: a log line, an answer, the end of a process. */
#define PATIENCE_MS 120000

/* A whole test, as Criterion's .timeout; tests/run waits longer than that for a suite's next
 * result. */
#define TEST_TIMEOUT_S 300

#endif
