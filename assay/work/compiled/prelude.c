#include <math.h>
#include <stdint.h>
#include <string.h>

/* Each function is the fixed sequence of assay.exact.elementwise, one rounding an operation: compiled without contraction
   of products and sums, and without any reordering of floats. */

static inline float float_of(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }
static inline uint32_t bits_of(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits; }
static inline double double_of(uint64_t bits) { double x; memcpy(&x, &bits, 8); return x; }
static inline uint64_t wide_bits_of(double x) { uint64_t bits; memcpy(&bits, &x, 8); return bits; }
static inline uint32_t size_bits(float x) { return bits_of(x) & 0x7fffffffu; }

/* 2^n as a double, n within its normal range. */
static inline double power(int64_t n) { return double_of((uint64_t)(n + 1023) << 52); }
static inline int64_t bounded(int64_t n) { return n < -400 ? -400 : n > 400 ? 400 : n; }

/* The exponent of a group whose largest magnitude has these bits (assay.exact.quantise). */
static inline int16_t exponent_of(uint32_t largest, int64_t carry) {
    double x = (double)float_of(largest);
    double tiny = 0x1p-160;
    uint64_t scale = (wide_bits_of(x < tiny ? tiny : x) + (uint64_t)carry) & (0x7ffULL << 52);
    return double_of(scale) < 0x1p-155 ? 0 : (int16_t)((int64_t)(scale >> 52) - 1022);
}

/* Quantised by a power of two: in binary32 in two exact steps where the result is below 2^23, else in binary64. Never a
   negative zero: a compiler may take an integer made of it, and made a float again, for the same. */
static inline float scale_low(int32_t n) { return float_of((uint32_t)((n > 127 ? 127 : n < -126 ? -126 : n) + 127) << 23); }
static inline float scale_high(int32_t n) { return float_of((uint32_t)((n > 127 ? n - 127 : 0) + 127) << 23); }
static inline float quantised(float x, int32_t n) { return rintf(x * scale_low(n) * scale_high(n)) + 0.0f; }
static inline double quantised_wide(float x, int64_t n) { return rint((double)x * power(n)) + 0.0; }

static inline float exp_(float x) {
    float a = x < 89.0f ? x : 89.0f;
    a = a > -90.0f ? a : -90.0f;
    float n = rintf(a * 1.44269504f);
    float r = a - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float y = r * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * (r * r) + r + 1.0f;
    int32_t whole = (int32_t)n, half = whole >> 1;
    y = y * float_of((uint32_t)(half + 127) << 23) * float_of((uint32_t)(whole - half + 127) << 23);
    return x < -87.0f ? 0.0f : y;
}

static inline float log_(float x) {
    uint64_t bits = wide_bits_of((double)x);
    int64_t field = ((int64_t)bits >> 52) - 1022;
    float m = (float)double_of((bits & ((1ULL << 52) - 1)) | (1022ULL << 52));
    int is_small = m < 0.70710678118654752440f;
    float n = (float)(is_small ? field - 1 : field);
    m = (is_small ? m + m : m) - 1.0f;
    float z = m * m;
    float y = m * 7.0376836292e-2f + -1.1514610310e-1f;
    y = y * m + 1.1676998740e-1f;
    y = y * m + -1.2420140846e-1f;
    y = y * m + 1.4249322787e-1f;
    y = y * m + -1.6668057665e-1f;
    y = y * m + 2.0000714765e-1f;
    y = y * m + -2.4999993993e-1f;
    y = y * m + 3.3333331174e-1f;
    y = y * m * z;
    y = y + n * -2.12194440e-4f;
    y = y - z * 0.5f;
    float result = (m + y) + n * 0.693359375f;
    return x > 0.0f ? result : float_of(0x7fc00000u);
}

static inline float tanh_(float x) {
    float size = fabsf(x), z = x * x;
    float near = z * -5.70498872745e-3f + 2.06390887954e-2f;
    near = near * z + -5.37397155531e-2f;
    near = near * z + 1.33314422036e-1f;
    near = near * z + -3.33332819422e-1f;
    near = near * z * x + x;
    float doubled = size < 20.0f ? size + size : 40.0f;
    float far = 1.0f - 2.0f / (exp_(doubled) + 1.0f);
    far = x < 0.0f ? -far : far;
    return size < 0.625f ? near : far;
}

static inline float erf_(float x) {
    float size = x < 0.0f ? -x : x;
    float b = size < 6.0f ? size : 6.0f;
    float z = b * b;
    float near = z * 7.853861353153693e-5f + -8.010193625184903e-4f;
    near = near * z + 5.188327685732524e-3f;
    near = near * z + -2.685381193529856e-2f;
    near = near * z + 1.128358514861418e-1f;
    near = near * z + -3.761262582423300e-1f;
    near = near * z + 1.128379165726710e0f;
    near = near * x;
    float t = 1.0f / (b * 0.3275911f + 1.0f);
    float far = t * 1.061405429f + -1.453152027f;
    far = far * t + 1.421413741f;
    far = far * t + -0.284496736f;
    far = far * t + 0.254829592f;
    far = 1.0f - far * t * exp_(-z);
    far = x < 0.0f ? -far : far;
    return size < 1.0f ? near : far;
}

static inline float wave_(float quadrant, float r) {
    float z = r * r;
    float sine = z * -1.9515295891e-4f + 8.3321608736e-3f;
    sine = sine * z + -1.6666654611e-1f;
    sine = sine * z * r + r;
    float cosine = z * 2.443315711809948e-5f + -1.388731625493765e-3f;
    cosine = cosine * z + 4.166664568298827e-2f;
    cosine = cosine * z * z - z * 0.5f + 1.0f;
    float result = quadrant == 1.0f || quadrant == 3.0f ? cosine : sine;
    return quadrant > 1.5f ? -result : result;
}

static inline float reduced_(float x, float *r) {
    float n = rintf(x * 0.636619772f);
    *r = x - n * 1.5703125f;
    *r = *r - n * 4.83751297e-4f - n * 7.54978942e-8f;
    return n - floorf(n * 0.25f) * 4.0f;
}

static inline float sin_(float x) { float r, n = reduced_(x, &r); return wave_(n, r); }

static inline float cos_(float x) {
    float r, n = reduced_(x, &r) + 1.0f;
    return wave_(n > 3.5f ? n - 4.0f : n, r);
}
