#include "handshake_queue.h"

void handshake_queue_add(struct handshake_queue *queue, struct handshake_wait *wait, int64_t now_ns)
{
    *wait = (struct handshake_wait){.older = queue->newest, .since_ns = now_ns, .is_waiting = true};
    *(queue->newest != NULL ? &queue->newest->newer : &queue->oldest) = wait;
    queue->newest = wait;
}

void handshake_queue_remove(struct handshake_queue *queue, struct handshake_wait *wait)
{
    if (!wait->is_waiting) {
        return;
    }
    *(wait->newer != NULL ? &wait->newer->older : &queue->newest) = wait->older;
    *(wait->older != NULL ? &wait->older->newer : &queue->oldest) = wait->newer;
    *wait = (struct handshake_wait){0};
}

struct handshake_wait *handshake_queue_late(const struct handshake_queue *queue,
                                            int64_t patience_ns, int64_t now_ns)
{
    struct handshake_wait *oldest = queue->oldest;
    return oldest != NULL && now_ns - oldest->since_ns >= patience_ns ? oldest : NULL;
}
