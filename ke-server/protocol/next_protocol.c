#include "ke-server/protocol/next_protocol.h"

#include <stddef.h>

const struct next_protocols next_protocols = {{
#define NEXT_PROTOCOL_ROW(row) &row,
    NEXT_PROTOCOL_TABLE(NEXT_PROTOCOL_ROW)
#undef NEXT_PROTOCOL_ROW
}};

const struct next_protocol *next_protocol_find(const struct next_protocols *protocols, uint16_t id)
{
    for (size_t i = 0; i < NEXT_PROTOCOLS_MAX && protocols->rows[i] != NULL; i++) {
        if (protocols->rows[i]->id == id) {
            return protocols->rows[i];
        }
    }
    return NULL;
}

bool next_protocol_allows(const struct next_protocol *protocol, uint16_t aead_id)
{
    for (size_t i = 0; i < protocol->num_aead_ids; i++) {
        if (protocol->aead_ids[i] == aead_id) {
            return true;
        }
    }
    return false;
}
