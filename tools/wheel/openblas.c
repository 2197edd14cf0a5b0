/* libopenblas.so.0 for a wheel: the BLAS and LAPACK that libmlx calls, by the names of the package scipy-openblas32,
 * which puts "scipy_" before each. Each function is a jump. The list is what `nm -D --undefined-only libmlx.so` prints
 * of BLAS and LAPACK; tools/wheel/check compares the two. Before them stand those that
 * mlxlens calls itself. */
#if defined(__x86_64__)
#define FORWARD(name) \
  __asm__(".text\n.globl " #name "\n.type " #name ",@function\n" #name ":\n\tendbr64\n\tjmp *scipy_" #name "@GOTPCREL(%rip)\n.size " #name ",.-" #name "\n");
#elif defined(__aarch64__)
#define FORWARD(name) \
  __asm__(".text\n.globl " #name "\n.type " #name ",%function\n" #name ":\n\tbti c\n\tadrp x16, :got:scipy_" #name "\n\tldr x16, [x16, :got_lo12:scipy_" #name "]\n\tbr x16\n.size " #name ",.-" #name "\n");
#endif

FORWARD(openblas_get_corename)
FORWARD(openblas_get_num_threads)
FORWARD(openblas_set_num_threads)

FORWARD(cblas_cgemm)
FORWARD(cblas_dgemm)
FORWARD(cblas_sgemm)
FORWARD(cgeev_)
FORWARD(cgesdd_)
FORWARD(cheevd_)
FORWARD(dgeev_)
FORWARD(dgeqrf_)
FORWARD(dgesdd_)
FORWARD(dgetrf_)
FORWARD(dgetri_)
FORWARD(dorgqr_)
FORWARD(dpotrf_)
FORWARD(dsyevd_)
FORWARD(dtrtri_)
FORWARD(sgeev_)
FORWARD(sgeqrf_)
FORWARD(sgesdd_)
FORWARD(sgetrf_)
FORWARD(sgetri_)
FORWARD(sorgqr_)
FORWARD(spotrf_)
FORWARD(ssyevd_)
FORWARD(strtri_)
