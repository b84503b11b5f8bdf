/* Symbols that a host exports under names which the plugins use inside, as Node
 * does its uv_*; link with -rdynamic. A plugin that is bound to one of them has
 * been caught. */
#ifndef DECOYS_H
#define DECOYS_H

#ifdef __cplusplus
extern "C" {
#endif

/* The decoy that was called last, or NULL. */
const char *decoy_called(void);

#ifdef __cplusplus
}
#endif

#endif
