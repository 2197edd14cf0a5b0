// The two loops over logits that cost most, eight at a time with NEON. scan.go has the same in
// Go; the tests hold one against the other. len(xs) is a multiple of 8 in both. Go's assembler
// has no names for most instructions on vectors of floats: they stand as words, each with what
// GNU's assembler calls it.

#include "textflag.h"

// CONSTANT lays a constant out four times.
#define CONSTANT(bits, v) \
	MOVD $bits, R3 \
	VDUP R3, v.S4

#define log2e 0x3fb8aa3b // log2 e
#define c0 0x3f800000 // 1: c_k = (ln 2)^k/k!, the series of 2^g
#define c1 0x3f317218
#define c2 0x3e75fdf0
#define c3 0x3d635847
#define c4 0x3c1d955b
#define c5 0x3aaec3ff
#define c6 0x39218489
#define least 0xc1f00000 // negligible: what lies below adds nothing
#define bias 0x0000007f // of a float32's exponent

// func sums2Vectors(xs []float32, m float32) (sum, moment float32)
//
// The same equations as in scan_amd64.s. V0 and V16 are Σ e^d, V1 and V17 Σ e^d·d.
TEXT ·sums2Vectors(SB), NOSPLIT, $0-40
	MOVD   xs_base+0(FP), R0
	MOVD   xs_len+8(FP), R1
	MOVWU  m+24(FP), R2
	VDUP   R2, V31.S4
	CONSTANT(log2e, V30)
	CONSTANT(least, V29)
	CONSTANT(bias, V28)
	CONSTANT(c6, V27)
	CONSTANT(c5, V26)
	CONSTANT(c4, V25)
	CONSTANT(c3, V24)
	CONSTANT(c2, V23)
	CONSTANT(c1, V22)
	CONSTANT(c0, V21)
	VEOR   V0.B16, V0.B16, V0.B16
	VEOR   V1.B16, V1.B16, V1.B16
	VEOR   V16.B16, V16.B16, V16.B16
	VEOR   V17.B16, V17.B16, V17.B16
	LSR    $3, R1
	CBZ    R1, done

eight:
	VLD1.P 16(R0), [V2.S4]
	VLD1.P 16(R0), [V8.S4]
	WORD $0x4ebfd442 // fsub v2.4s, v2.4s, v31.4s: d = x − m
	WORD $0x4ebfd508 // fsub v8.4s, v8.4s, v31.4s: d = x − m
	WORD $0x6ebde443 // fcmgt v3.4s, v2.4s, v29.4s: d > negligible; not where it is NaN
	WORD $0x6ebde509 // fcmgt v9.4s, v8.4s, v29.4s: d > negligible; not where it is NaN
	VAND   V3.B16, V2.B16, V2.B16 // 0 elsewhere, so that nothing infinite is multiplied
	VAND   V9.B16, V8.B16, V8.B16 // 0 elsewhere, so that nothing infinite is multiplied
	WORD $0x6e3edc44 // fmul v4.4s, v2.4s, v30.4s
	WORD $0x6e3edd0a // fmul v10.4s, v8.4s, v30.4s
	WORD $0x4e218884 // frintn v4.4s, v4.4s: n
	WORD $0x4e21894a // frintn v10.4s, v10.4s: n
	WORD $0x6ea0f885 // fneg v5.4s, v4.4s
	WORD $0x6ea0f94b // fneg v11.4s, v10.4s
	VFMLA  V30.S4, V2.S4, V5.S4 // g = d·log2 e − n
	VFMLA  V30.S4, V8.S4, V11.S4 // g = d·log2 e − n
	VMOV   V26.B16, V6.B16 // the series by Horner's rule
	VMOV   V26.B16, V12.B16 // the series by Horner's rule
	VFMLA  V27.S4, V5.S4, V6.S4
	VFMLA  V27.S4, V11.S4, V12.S4
	VMOV   V25.B16, V7.B16
	VMOV   V25.B16, V13.B16
	VFMLA  V6.S4, V5.S4, V7.S4
	VFMLA  V12.S4, V11.S4, V13.S4
	VMOV   V24.B16, V6.B16
	VMOV   V24.B16, V12.B16
	VFMLA  V7.S4, V5.S4, V6.S4
	VFMLA  V13.S4, V11.S4, V12.S4
	VMOV   V23.B16, V7.B16
	VMOV   V23.B16, V13.B16
	VFMLA  V6.S4, V5.S4, V7.S4
	VFMLA  V12.S4, V11.S4, V13.S4
	VMOV   V22.B16, V6.B16
	VMOV   V22.B16, V12.B16
	VFMLA  V7.S4, V5.S4, V6.S4
	VFMLA  V13.S4, V11.S4, V12.S4
	VMOV   V21.B16, V7.B16
	VMOV   V21.B16, V13.B16
	VFMLA  V6.S4, V5.S4, V7.S4
	VFMLA  V12.S4, V11.S4, V13.S4
	WORD $0x4e21a884 // fcvtns v4.4s, v4.4s
	WORD $0x4e21a94a // fcvtns v10.4s, v10.4s
	VADD   V28.S4, V4.S4, V4.S4
	VADD   V28.S4, V10.S4, V10.S4
	VSHL   $23, V4.S4, V4.S4 // 2^n
	VSHL   $23, V10.S4, V10.S4 // 2^n
	WORD $0x6e24dce7 // fmul v7.4s, v7.4s, v4.4s: e^d
	WORD $0x6e2addad // fmul v13.4s, v13.4s, v10.4s: e^d
	VAND   V3.B16, V7.B16, V7.B16
	VAND   V9.B16, V13.B16, V13.B16
	WORD $0x4e27d400 // fadd v0.4s, v0.4s, v7.4s
	WORD $0x4e2dd610 // fadd v16.4s, v16.4s, v13.4s
	VFMLA  V2.S4, V7.S4, V1.S4
	VFMLA  V8.S4, V13.S4, V17.S4
	SUB    $1, R1
	CBNZ   R1, eight

done:
	WORD $0x4e30d400 // fadd v0.4s, v0.4s, v16.4s
	WORD $0x4e31d421 // fadd v1.4s, v1.4s, v17.4s
	WORD $0x6e20d400 // faddp v0.4s, v0.4s, v0.4s
	WORD $0x6e21d421 // faddp v1.4s, v1.4s, v1.4s
	WORD $0x7e30d800 // faddp s0, v0.2s
	WORD $0x7e30d821 // faddp s1, v1.2s
	FMOVS  F0, sum+32(FP)
	FMOVS  F1, moment+36(FP)
	RET

// func countAboveVectors(xs []float32, t float32) int
TEXT ·countAboveVectors(SB), NOSPLIT, $0-40
	MOVD   xs_base+0(FP), R0
	MOVD   xs_len+8(FP), R1
	MOVWU  t+24(FP), R2
	VDUP   R2, V31.S4
	VEOR   V0.B16, V0.B16, V0.B16
	VEOR   V16.B16, V16.B16, V16.B16
	LSR    $3, R1
	CBZ    R1, counted

compare:
	VLD1.P 32(R0), [V2.S4, V3.S4]
	WORD $0x6ebfe442 // fcmgt v2.4s, v2.4s, v31.4s: x > t: −1
	WORD $0x6ebfe463 // fcmgt v3.4s, v3.4s, v31.4s
	VSUB   V2.S4, V0.S4, V0.S4
	VSUB   V3.S4, V16.S4, V16.S4
	SUB    $1, R1
	CBNZ   R1, compare

counted:
	VADD   V16.S4, V0.S4, V0.S4
	VADDV  V0.S4, V0
	VMOV   V0.S[0], R0
	MOVD   R0, ret+32(FP)
	RET
