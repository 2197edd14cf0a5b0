package capi

// appleSpills is the table of every function whose arguments do not all fit into Apple
// arm64's registers, and the bytes they take, as it was measured with the official
// v0.7.0 headers before this code was written.
var appleSpills = map[string]struct {
	places string
	stack  int
}{
	"mlx_fast_scaled_dot_product_attention": {"res=x0 queries=x1 keys=x2 values=x3 scale=v0 mask_mode=x4 mask_arr=x5 sinks=x6 force_fused=x7 s=stack+0:8", 8},
	"mlx_conv2d":                            {"res=x0 input=x1 weight=x2 stride_0=x3 stride_1=x4 padding_0=x5 padding_1=x6 dilation_0=x7 dilation_1=stack+0:4 groups=stack+4:4 s=stack+8:8", 16},
	"mlx_conv3d":                            {"res=x0 input=x1 weight=x2 stride_0=x3 stride_1=x4 stride_2=x5 padding_0=x6 padding_1=x7 padding_2=stack+0:4 dilation_0=stack+4:4 dilation_1=stack+8:4 dilation_2=stack+12:4 groups=stack+16:4 s=stack+24:8", 32},
	"mlx_conv_general":                      {"res=x0 input=x1 weight=x2 stride=x3 stride_num=x4 padding_lo=x5 padding_lo_num=x6 padding_hi=x7 padding_hi_num=stack+0:8 kernel_dilation=stack+8:8 kernel_dilation_num=stack+16:8 input_dilation=stack+24:8 input_dilation_num=stack+32:8 groups=stack+40:4 flip=stack+44:1 s=stack+48:8", 56},
	"mlx_conv_transpose1d":                  {"res=x0 input=x1 weight=x2 stride=x3 padding=x4 dilation=x5 output_padding=x6 groups=x7 s=stack+0:8", 8},
	"mlx_conv_transpose2d":                  {"res=x0 input=x1 weight=x2 stride_0=x3 stride_1=x4 padding_0=x5 padding_1=x6 dilation_0=x7 dilation_1=stack+0:4 output_padding_0=stack+4:4 output_padding_1=stack+8:4 groups=stack+12:4 s=stack+16:8", 24},
	"mlx_conv_transpose3d":                  {"res=x0 input=x1 weight=x2 stride_0=x3 stride_1=x4 stride_2=x5 padding_0=x6 padding_1=x7 padding_2=stack+0:4 dilation_0=stack+4:4 dilation_1=stack+8:4 dilation_2=stack+12:4 output_padding_0=stack+16:4 output_padding_1=stack+20:4 output_padding_2=stack+24:4 groups=stack+28:4 s=stack+32:8", 40},
	"mlx_dequantize":                        {"res=x0 w=x1 scales=x2 biases=x3 group_size=x4 bits=x5 mode=x6 global_scale=x7 dtype=stack+0:8 s=stack+8:8", 16},
	"mlx_gather_qmm":                        {"res=x0 x=x1 w=x2 scales=x3 biases=x4 lhs_indices=x5 rhs_indices=x6 transpose=x7 group_size=stack+0:8 bits=stack+8:8 mode=stack+16:8 sorted_indices=stack+24:1 s=stack+32:8", 40},
	"mlx_pad":                               {"res=x0 a=x1 axes=x2 axes_num=x3 low_pad_size=x4 low_pad_size_num=x5 high_pad_size=x6 high_pad_size_num=x7 pad_value=stack+0:8 mode=stack+8:8 s=stack+16:8", 24},
	"mlx_qqmm":                              {"res=x0 x=x1 w=x2 w_scales=x3 group_size=x4 bits=x5 mode=x6 global_scale_x=x7 global_scale_w=stack+0:8 s=stack+8:8", 16},
	"mlx_quantized_matmul":                  {"res=x0 x=x1 w=x2 scales=x3 biases=x4 transpose=x5 group_size=x6 bits=x7 mode=stack+0:8 s=stack+8:8", 16},
	"mlx_slice":                             {"res=x0 a=x1 start=x2 start_num=x3 stop=x4 stop_num=x5 strides=x6 strides_num=x7 s=stack+0:8", 8},
	"mlx_slice_update":                      {"res=x0 src=x1 update=x2 start=x3 start_num=x4 stop=x5 stop_num=x6 strides=x7 strides_num=stack+0:8 s=stack+8:8", 16},
	"mlx_slice_update_add":                  {"res=x0 src=x1 update=x2 start=x3 start_num=x4 stop=x5 stop_num=x6 strides=x7 strides_num=stack+0:8 s=stack+8:8", 16},
	"mlx_slice_update_max":                  {"res=x0 src=x1 update=x2 start=x3 start_num=x4 stop=x5 stop_num=x6 strides=x7 strides_num=stack+0:8 s=stack+8:8", 16},
	"mlx_slice_update_min":                  {"res=x0 src=x1 update=x2 start=x3 start_num=x4 stop=x5 stop_num=x6 strides=x7 strides_num=stack+0:8 s=stack+8:8", 16},
	"mlx_slice_update_prod":                 {"res=x0 src=x1 update=x2 start=x3 start_num=x4 stop=x5 stop_num=x6 strides=x7 strides_num=stack+0:8 s=stack+8:8", 16},
	"mlx_gather_qqmm":                       {"res=x0 x=x1 w=x2 scales_w=x3 lhs_indices=x4 rhs_indices=x5 group_size=x6 bits=x7 mode=stack+0:8 global_scale_x=stack+8:8 global_scale_w=stack+16:8 sorted_indices=stack+24:1 s=stack+32:8", 40},
}

// floatPlaces is the same measurement of every function with a floating parameter
// whose arguments all fit into arm64's registers.
var floatPlaces = map[string]string{
	"mlx_array_new_float32":                       "val=v0",
	"mlx_array_new_float":                         "val=v0",
	"mlx_array_new_float64":                       "val=v0",
	"mlx_array_new_double":                        "val=v0",
	"mlx_array_new_complex":                       "real_val=v0 imag_val=v1",
	"mlx_array_set_float32":                       "arr=x0 val=v0",
	"mlx_array_set_float":                         "arr=x0 val=v0",
	"mlx_array_set_float64":                       "arr=x0 val=v0",
	"mlx_array_set_double":                        "arr=x0 val=v0",
	"mlx_array_set_complex":                       "arr=x0 real_val=v0 imag_val=v1",
	"mlx_fast_cuda_kernel_config_set_init_value":  "cls=x0 value=v0",
	"mlx_fast_layer_norm":                         "res=x0 x=x1 weight=x2 bias=x3 eps=v0 s=x4",
	"mlx_fast_metal_kernel_config_set_init_value": "cls=x0 value=v0",
	"mlx_fast_rms_norm":                           "res=x0 x=x1 weight=x2 eps=v0 s=x3",
	"mlx_fast_rope":                               "res=x0 x=x1 dims=x2 traditional=x3 base=x4 scale=v0 offset=x5 freqs=x6 s=x7",
	"mlx_fast_rope_dynamic":                       "res=x0 x=x1 dims=x2 traditional=x3 base=x4 scale=v0 offset=x5 freqs=x6 s=x7",
	"mlx_fft_fftfreq":                             "res=x0 n=x1 d=v0 s=x2",
	"mlx_fft_rfftfreq":                            "res=x0 n=x1 d=v0 s=x2",
	"mlx_linalg_norm":                             "res=x0 a=x1 ord=v0 axis=x2 axis_num=x3 keepdims=x4 s=x5",
	"mlx_addmm":                                   "res=x0 c=x1 a=x2 b=x3 alpha=v0 beta=v1 s=x4",
	"mlx_allclose":                                "res=x0 a=x1 b=x2 rtol=v0 atol=v1 equal_nan=x3 s=x4",
	"mlx_arange":                                  "res=x0 start=v0 stop=v1 step=v2 dtype=x1 s=x2",
	"mlx_isclose":                                 "res=x0 a=x1 b=x2 rtol=v0 atol=v1 equal_nan=x3 s=x4",
	"mlx_linspace":                                "res=x0 start=v0 stop=v1 num=x1 dtype=x2 s=x3",
	"mlx_nan_to_num":                              "res=x0 a=x1 nan=v0 posinf=x2 neginf=x3 s=x4",
	"mlx_linspace_endpoint":                       "res=x0 start=v0 stop=v1 num=x1 endpoint=x2 dtype=x3 s=x4",
	"mlx_random_laplace":                          "res=x0 shape=x1 shape_num=x2 dtype=x3 loc=v0 scale=v1 key=x4 s=x5",
	"mlx_random_normal":                           "res=x0 shape=x1 shape_num=x2 dtype=x3 loc=v0 scale=v1 key=x4 s=x5",
}

// structPlaces is the same measurement of every function that passes or returns a struct
// of more than 8 bytes by value, with the registers of the result.
var structPlaces = map[string]string{
	"mlx_io_reader_new":                      "desc=x0 vtable=x1(byref) -> x0",
	"mlx_io_writer_new":                      "desc=x0 vtable=x1(byref) -> x0",
	"mlx_map_string_to_array_iterator_new":   "map=x0 -> x0 x1",
	"mlx_map_string_to_array_iterator_free":  "it=x0-x1 -> x0",
	"mlx_map_string_to_array_iterator_next":  "key=x0 value=x1 it=x2-x3 -> x0",
	"mlx_map_string_to_string_iterator_new":  "map=x0 -> x0 x1",
	"mlx_map_string_to_string_iterator_free": "it=x0-x1 -> x0",
	"mlx_map_string_to_string_iterator_next": "key=x0 value=x1 it=x2-x3 -> x0",
}
