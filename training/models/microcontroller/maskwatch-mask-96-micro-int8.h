#ifndef G_MASKWATCH_MASK_96_MICRO_INT8_H_
#define G_MASKWATCH_MASK_96_MICRO_INT8_H_

// A TensorFlow Lite model of 199520 bytes. Outputs:
//   0: mask
//   1: no_mask
//   2: no_face
extern const unsigned char g_maskwatch_mask_96_micro_int8[];
extern const unsigned int g_maskwatch_mask_96_micro_int8_len;

#endif  // G_MASKWATCH_MASK_96_MICRO_INT8_H_
