// The two loops over logits that cost most, eight at a time with AVX2 and FMA. scan.go
// has the same in Go, which is what other processors run; the tests hold one against the
// other. len(xs) is a multiple of 8 in both.

#include "textflag.h"

// EIGHT lays a constant out eight times.
#define EIGHT(name, bits) \
	DATA name<>+0(SB)/4, $bits \
	DATA name<>+4(SB)/4, $bits \
	DATA name<>+8(SB)/4, $bits \
	DATA name<>+12(SB)/4, $bits \
	DATA name<>+16(SB)/4, $bits \
	DATA name<>+20(SB)/4, $bits \
	DATA name<>+24(SB)/4, $bits \
	DATA name<>+28(SB)/4, $bits \
	GLOBL name<>(SB), RODATA|NOPTR, $32

EIGHT(log2e, 0x3fb8aa3b) // log2 e
EIGHT(c0, 0x3f800000) // 1: c_k = (ln 2)^k/k!, the series of 2^g
EIGHT(c1, 0x3f317218)
EIGHT(c2, 0x3e75fdf0)
EIGHT(c3, 0x3d635847)
EIGHT(c4, 0x3c1d955b)
EIGHT(c5, 0x3aaec3ff)
EIGHT(c6, 0x39218489)
EIGHT(least, 0xc1f00000) // negligible: what lies below adds nothing
EIGHT(bias, 0x0000007f) // of a float32's exponent

// func sums2Vectors(xs []float32, m float32) (sum, moment float32)
//
// e^d = 2^n·2^g with n = round(d·log2 e) and |g| ≤ 1/2. The error of the series is below
// 1.3e-7 of it.
TEXT ·sums2Vectors(SB), NOSPLIT, $0-40
	MOVQ         xs_base+0(FP), SI
	MOVQ         xs_len+8(FP), CX
	VBROADCASTSS m+24(FP), Y15
	VMOVUPS      log2e<>(SB), Y14
	VMOVUPS      least<>(SB), Y13
	VMOVDQU      bias<>(SB), Y12
	VMOVUPS      c6<>(SB), Y11
	VMOVUPS      c5<>(SB), Y10
	VMOVUPS      c4<>(SB), Y9
	VMOVUPS      c3<>(SB), Y8
	VMOVUPS      c2<>(SB), Y7
	VXORPS       Y0, Y0, Y0         // Σ e^d
	VXORPS       Y1, Y1, Y1         // Σ e^d·d
	SHRQ         $3, CX
	JZ           done

eight:
	VMOVUPS      (SI), Y2
	VSUBPS       Y15, Y2, Y2        // d = x − m
	VCMPPS       $0x1e, Y13, Y2, Y3 // d > negligible; not where it is NaN
	VANDPS       Y3, Y2, Y2         // 0 elsewhere, so that nothing infinite is multiplied
	VMULPS       Y14, Y2, Y4
	VROUNDPS     $0, Y4, Y4         // n
	VMOVAPS      Y2, Y5
	VFMSUB213PS  Y4, Y14, Y5        // g = d·log2 e − n
	VMOVAPS      Y11, Y6
	VFMADD213PS  Y10, Y5, Y6        // the series by Horner's rule
	VFMADD213PS  Y9, Y5, Y6
	VFMADD213PS  Y8, Y5, Y6
	VFMADD213PS  Y7, Y5, Y6
	VFMADD213PS  c1<>(SB), Y5, Y6
	VFMADD213PS  c0<>(SB), Y5, Y6
	VCVTPS2DQ    Y4, Y4
	VPADDD       Y12, Y4, Y4
	VPSLLD       $23, Y4, Y4        // 2^n
	VMULPS       Y4, Y6, Y6         // e^d
	VANDPS       Y3, Y6, Y6
	VADDPS       Y6, Y0, Y0
	VFMADD231PS  Y2, Y6, Y1
	ADDQ         $32, SI
	DECQ         CX
	JNZ          eight

done:
	VEXTRACTF128 $1, Y0, X2
	VADDPS       X2, X0, X0
	VHADDPS      X0, X0, X0
	VHADDPS      X0, X0, X0
	VEXTRACTF128 $1, Y1, X3
	VADDPS       X3, X1, X1
	VHADDPS      X1, X1, X1
	VHADDPS      X1, X1, X1
	VMOVSS       X0, sum+32(FP)
	VMOVSS       X1, moment+36(FP)
	VZEROUPPER
	RET

// func countAboveVectors(xs []float32, t float32) int
TEXT ·countAboveVectors(SB), NOSPLIT, $0-40
	MOVQ         xs_base+0(FP), SI
	MOVQ         xs_len+8(FP), CX
	VBROADCASTSS t+24(FP), Y15
	VPXOR        Y0, Y0, Y0         // minus the counts
	SHRQ         $3, CX
	JZ           counted

compare:
	VMOVUPS      (SI), Y2
	VCMPPS       $0x1e, Y15, Y2, Y3 // x > t: −1
	VPADDD       Y3, Y0, Y0
	ADDQ         $32, SI
	DECQ         CX
	JNZ          compare

counted:
	VEXTRACTI128 $1, Y0, X2
	VPADDD       X2, X0, X0
	VPHADDD      X0, X0, X0
	VPHADDD      X0, X0, X0
	VMOVD        X0, AX
	MOVLQSX      AX, AX
	NEGQ         AX
	MOVQ         AX, ret+32(FP)
	VZEROUPPER
	RET
