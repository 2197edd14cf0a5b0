#include "go_asm.h"
#include "textflag.h"

// C calls these on the system's stack with the address of a frame, DI (see call.go). In the
// convention of System V the words go into DI, SI, DX, CX, R8, R9 and then onto the stack, the
// floats into X0 to X7; AX is the result, and the callee keeps BX, BP and R12 to R15.

GLOBL ·inRegistersABI0(SB), NOPTR|RODATA, $8
DATA ·inRegistersABI0(SB)/8, $inRegisters(SB)
TEXT inRegisters(SB), NOSPLIT|NOFRAME, $0
	MOVQ DI, R11
	MOVQ (registers_w+0)(R11), DI
	MOVQ (registers_w+8)(R11), SI
	MOVQ (registers_w+16)(R11), DX
	MOVQ (registers_w+24)(R11), CX
	MOVQ (registers_w+32)(R11), R8
	MOVQ (registers_w+40)(R11), R9
	MOVQ registers_f(R11), R11
	JMP  R11

GLOBL ·anywhereABI0(SB), NOPTR|RODATA, $8
DATA ·anywhereABI0(SB)/8, $anywhere(SB)
TEXT anywhere(SB), NOSPLIT, $64-0 // maxWords-6 of them
	MOVQ  DI, R11
	MOVSD (anywhere_x+0)(R11), X0
	MOVSD (anywhere_x+8)(R11), X1
	MOVSD (anywhere_x+16)(R11), X2
	MOVQ  anywhere_n(R11), CX
	SUBQ  $6, CX
	JLE   call
	LEAQ  (anywhere_w+6*8)(R11), SI
	XORL  AX, AX

push:
	MOVQ (SI)(AX*8), DX
	MOVQ DX, (SP)(AX*8)
	INCQ AX
	CMPQ AX, CX
	JLT  push

call:
	MOVQ (registers_w+32)(R11), DI
	MOVQ (registers_w+40)(R11), SI
	MOVQ (anywhere_w+16)(R11), DX
	MOVQ (anywhere_w+24)(R11), CX
	MOVQ (anywhere_w+32)(R11), R8
	MOVQ (anywhere_w+40)(R11), R9
	MOVQ anywhere_f(R11), R11
	CALL R11
	RET

GLOBL ·withResultABI0(SB), NOPTR|RODATA, $8
DATA ·withResultABI0(SB)/8, $withResult(SB)
TEXT withResult(SB), NOSPLIT, $16-0
	MOVQ DI, 8(SP)
	CALL anywhere(SB)
	MOVQ 8(SP), DI
	MOVQ AX, withResult_r(DI)
	RET

GLOBL ·eachABI0(SB), NOPTR|RODATA, $8
DATA ·eachABI0(SB)/8, $each(SB)
TEXT each(SB), NOSPLIT, $32-0
	MOVQ BX, 0(SP)
	MOVQ R12, 8(SP)
	MOVQ R13, 16(SP)
	MOVQ each_f(DI), BX
	MOVQ each_hs(DI), R12
	MOVQ each_n(DI), R13
	LEAQ (R12)(R13*8), R13

next:
	CMPQ R12, R13
	JEQ  done
	MOVQ (R12), DI
	CALL BX
	ADDQ $8, R12
	JMP  next

done:
	MOVQ 0(SP), BX
	MOVQ 8(SP), R12
	MOVQ 16(SP), R13
	XORL AX, AX
	RET
