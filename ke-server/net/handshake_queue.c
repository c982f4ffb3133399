#include "ke-server/net/handshake_queue.h"

void handshake_queue_add(struct handshake_queue *queue, struct handshake_wait *wait,
                         int64_t since_ns)
{
    *wait =
        (struct handshake_wait){.older = queue->newest, .since_ns = since_ns, .is_waiting = true};
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
