#include "go_asm.h"
#include "textflag.h"

// C calls these on the system's stack with the address of a frame, R0 (see call.go). In the
// procedure call standard the words go into R0 to R7 and then onto the stack, in slots of
// eight bytes for all that come here on Apple's systems too; the floats go into F0 to F7; R0 is
// the result, and the callee keeps R19 to R28.

GLOBL ·inRegistersABI0(SB), NOPTR|RODATA, $8
DATA ·inRegistersABI0(SB)/8, $inRegisters(SB)
TEXT inRegisters(SB), NOSPLIT|NOFRAME, $0
	MOVD R0, R9
	MOVD registers_f(R9), R10
	MOVD (registers_w+0)(R9), R0
	MOVD (registers_w+8)(R9), R1
	MOVD (registers_w+16)(R9), R2
	MOVD (registers_w+24)(R9), R3
	MOVD (registers_w+32)(R9), R4
	MOVD (registers_w+40)(R9), R5
	JMP  (R10)

GLOBL ·anywhereABI0(SB), NOPTR|RODATA, $8
DATA ·anywhereABI0(SB)/8, $anywhere(SB)
TEXT anywhere(SB), NOSPLIT, $0
	SUB   $48, RSP // maxWords-8 words, right below the saved link register
	MOVD  R0, R9
	FMOVD (anywhere_x+0)(R9), F0
	FMOVD (anywhere_x+8)(R9), F1
	FMOVD (anywhere_x+16)(R9), F2
	MOVD  anywhere_n(R9), R10
	SUBS  $8, R10
	BLE   call
	ADD   $(anywhere_w+8*8), R9, R11
	MOVD  RSP, R12

push:
	MOVD.P 8(R11), R13
	MOVD.P R13, 8(R12)
	SUBS   $1, R10
	BNE    push

call:
	MOVD anywhere_f(R9), R10
	MOVD (anywhere_w+0)(R9), R0
	MOVD (anywhere_w+8)(R9), R1
	MOVD (anywhere_w+16)(R9), R2
	MOVD (anywhere_w+24)(R9), R3
	MOVD (anywhere_w+32)(R9), R4
	MOVD (anywhere_w+40)(R9), R5
	MOVD (anywhere_w+48)(R9), R6
	MOVD (anywhere_w+56)(R9), R7
	CALL (R10)
	ADD  $48, RSP
	RET

GLOBL ·withResultABI0(SB), NOPTR|RODATA, $8
DATA ·withResultABI0(SB)/8, $withResult(SB)
TEXT withResult(SB), NOSPLIT, $16-0
	MOVD R0, 8(RSP)
	CALL anywhere(SB)
	MOVD 8(RSP), R9
	MOVD R0, withResult_r(R9)
	RET

GLOBL ·eachABI0(SB), NOPTR|RODATA, $8
DATA ·eachABI0(SB)/8, $each(SB)
TEXT each(SB), NOSPLIT, $32-0
	MOVD R19, 8(RSP)
	MOVD R20, 16(RSP)
	MOVD R21, 24(RSP)
	MOVD each_f(R0), R19
	MOVD each_hs(R0), R20
	MOVD each_n(R0), R21
	ADD  R21<<3, R20, R21

next:
	CMP  R20, R21
	BEQ  done
	MOVD.P 8(R20), R0
	CALL (R19)
	JMP  next

done:
	MOVD 8(RSP), R19
	MOVD 16(RSP), R20
	MOVD 24(RSP), R21
	MOVD ZR, R0
	RET
