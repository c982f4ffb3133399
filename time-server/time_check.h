/* --check of nts-time-server: what would go wrong if it were started now. */
#ifndef NTS_TIME_CHECK_H
#define NTS_TIME_CHECK_H

/* A clock source that stays silent is asked once a second. */
#define CLOCK_NUM_QUESTIONS 3

/* time_check examines the configuration and all that it points to, what this host permits, and
 * the clock source. It logs each finding with what to do, and returns the exit status: 0 if the
 * server would start and serve. Takes up to CLOCK_NUM_QUESTIONS seconds. */
int time_check(const char *config_path);

#endif
