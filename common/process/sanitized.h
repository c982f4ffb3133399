/* NTS_SANITIZED: built with AddressSanitizer or ThreadSanitizer, which stop and look at their own
 * process, so that it cannot be shut as tightly. */
#ifndef NTS_PROCESS_SANITIZED_H
#define NTS_PROCESS_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NTS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define NTS_SANITIZED 1
#endif
#endif

#ifndef NTS_SANITIZED
#define NTS_SANITIZED 0
#endif

#endif
