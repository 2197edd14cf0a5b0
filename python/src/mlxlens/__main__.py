from mlxlens import main

main()
