/* A check that the network gives here what it gave where it was exported. */
#ifndef MODEL_CHECK_H
#define MODEL_CHECK_H

#ifdef __cplusplus
extern "C" {
#endif

#define MODEL_CHECKS @COUNT@

/* Classifies MODEL_CHECKS pictures, which take MODEL_CHECKS * MODEL_PIXELS bytes of flash. Gives 0 if every score is the
 * expected one, otherwise the number of the first picture, from 1, of which one is not. */
int model_check(void);

#ifdef __cplusplus
}
#endif

#endif
